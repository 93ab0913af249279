"""Lines of runs as they are logged: the LOGS stream's hubs, who joins them, and when they end."""
