"""Event streams of many runs at once: which ones, opened one by one, and what each is told."""
