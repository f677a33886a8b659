"""Inspect a file: say how the tap would load it, and which settings the file leaves open."""
