"""The Docker daemon of this machine."""
