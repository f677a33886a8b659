"""Use the Docker daemon of this machine."""
