"""What requests and answers are made of: negotiation, limits, files, sockets taken over."""
