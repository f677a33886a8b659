"""Run language models within limits, and turn their output into proposals, jobs or answers."""
