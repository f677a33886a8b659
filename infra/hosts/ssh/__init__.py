"""A server that the user already has, reached by SSH: prepared once, left as it was found."""
