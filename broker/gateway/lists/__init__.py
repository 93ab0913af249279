"""Lists of runs that clients watch, found by query and told of what changes."""
