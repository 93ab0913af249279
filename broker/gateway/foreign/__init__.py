"""Messages of existing systems: read from NATS or HTTP, judged, and stored as events."""
