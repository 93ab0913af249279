"""How a run stands or stood: now, at a cursor, at the end of an earlier attempt."""
