"""Propose, approve, apply, record and revert changes of a stack's size, and run approved jobs."""
