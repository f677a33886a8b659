"""Provide a stand-in for Metabase's HTTP API, with the requests that are needed to create content.

The stand-in has no UI and does not run queries. The JSON Schemas are our own description of the API.
"""
