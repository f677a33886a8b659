"""Where containers go. Each host yields the Docker provider that reaches its daemon."""
