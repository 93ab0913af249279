"""Benchmarks: `python -m bench SCENARIO`. What they measure and what came out: README.md."""
