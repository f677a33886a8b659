"""Serve the agents over HTTP, with bearer tokens and rate limits, or to one local assistant over MCP."""
