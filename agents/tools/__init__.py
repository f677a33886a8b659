"""Tools of the agents. Each one only reads, is bounded, and returns `{success, data, error, metadata}`."""
