"""Use a server that the user already has, over SSH.

The server is prepared once. When the stack is removed, the login of its deploy user is removed too.
"""
