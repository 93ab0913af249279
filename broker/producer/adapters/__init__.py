"""Drop-in objects for the producers of existing systems, whose code goes on unchanged."""
