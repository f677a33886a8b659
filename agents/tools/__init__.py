"""What an agent may look at. Every tool only reads, answers `{success, data, error, metadata}`, and has limits."""
