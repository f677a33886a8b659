"""Serve the agents over HTTP, with bearer tokens and limits, and over MCP, to one local assistant."""
