"""A gateway as a process: it begins, listens, is ready, survives outages, and drains."""
