"""One module for each route: a request becomes a question to the parts, their answer a response."""
