"""Turn plain language into typed proposals. The cost model decides on each one, and a person approves it."""
