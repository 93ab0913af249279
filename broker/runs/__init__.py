"""What is kept of runs that nobody watches: their checkpoints, and the list of all of them."""
