"""Real little pipelines that keep a newcomer's dashboard alive.

Ordinary producers: they use the standard library and `broker.producer`, and nothing else.
"""
