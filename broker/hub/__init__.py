"""In-process fan-out: a watched run is folded once, framed once, and written to every client.

Knows neither HTTP nor NATS: records come from a `Source`, bytes go to a `Sink`.
"""
