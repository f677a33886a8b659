"""A server that the user already has, reached by SSH: prepared once, and restored when the stack is removed."""
