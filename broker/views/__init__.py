"""What clients see: pure functions from states and events to messages."""
