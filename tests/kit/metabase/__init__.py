"""Stand-in for Metabase's HTTP API: the requests that filling it needs, with their checks, state and failures.

It is no Metabase: it has no UI, and runs no query by itself. The schema is our own description of the API.
"""
