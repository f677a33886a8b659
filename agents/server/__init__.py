"""Serve the agents over HTTP and MCP, with bearer tokens and limits."""
