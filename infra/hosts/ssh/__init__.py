"""Use a server that the user already has, over SSH.

The first deployment prepares the server. When the stack is removed, its key for the deploy user is removed too.
"""
