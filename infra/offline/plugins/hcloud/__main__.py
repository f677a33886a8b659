"""Runs the hcloud stand-in as a plugin: `python -m infra.offline.plugins.hcloud`."""

from infra.offline.plugins.hcloud.package import PACKAGE
from infra.offline.plugins.provider import serve

if __name__ == "__main__":
    serve(PACKAGE)
