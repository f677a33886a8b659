"""Define the tools of the agents. A tool only reads, within limits, or requests a job that a person must approve."""
