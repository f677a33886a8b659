"""Change the size of a stack, and run jobs: propose, approve, apply, record, revert."""
