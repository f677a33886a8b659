"""Provide a stand-in for Metabase's HTTP API, with the requests that are needed to create content.

It is no Metabase: it has no UI, and runs no query by itself. The schema is our own description of the API.
"""
