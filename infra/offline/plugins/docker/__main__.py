"""Runs the docker stand-in as a plugin: `python -m infra.offline.plugins.docker`."""

from infra.offline.plugins.docker.package import package
from infra.offline.plugins.provider import serve

if __name__ == "__main__":
    serve(package())
