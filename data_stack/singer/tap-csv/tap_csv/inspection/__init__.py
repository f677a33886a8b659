"""Inspect a file: report how the tap would load it, and which settings the file does not decide."""
