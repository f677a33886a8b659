"""Run the docker stand-in as a plugin: `python -m fds_offline.plugins.docker`."""

from fds_offline.plugins.docker.package import PACKAGE
from fds_offline.plugins.provider import serve

if __name__ == "__main__":
    serve(PACKAGE)
