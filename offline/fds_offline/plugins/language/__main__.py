"""Run the language host: `python -m fds_offline.plugins.language ENGINE_ADDRESS`."""

from fds_offline.plugins.language.host import serve

if __name__ == "__main__":
    serve()
