"""Turn plain language into typed proposals. The cost model decides on each proposal, and a person approves it."""
