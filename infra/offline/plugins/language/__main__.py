"""Runs the language host: `python -m infra.offline.plugins.language ENGINE_ADDRESS`."""

from infra.offline.plugins.language.host import serve

if __name__ == "__main__":
    serve()
