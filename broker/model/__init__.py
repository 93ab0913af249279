"""The pure core: events, the state they fold to, cursors and subjects.

Knows no I/O, no clock, no randomness: only msgspec and the standard library.
"""
