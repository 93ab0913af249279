"""WebSockets: what their clients say, and all that they are shown."""
