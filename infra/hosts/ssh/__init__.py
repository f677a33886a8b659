"""Use a server that the user already has, over SSH: prepare it once, and remove the stack's key with the stack."""
