"""Framing and parsing of what goes over the wire, without any I/O."""
