"""What producers of existing systems send, read as events: pure functions, one module each."""
