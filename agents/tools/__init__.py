"""Define the tools of the agents. Each tool only reads, has limits, and returns `{success, data, error, metadata}`."""
