"""Use a server that the user already has, over SSH: prepare it once, and restore it when the stack is removed."""
