"""Run the hcloud stand-in as a plugin: `python -m fds_offline.plugins.hcloud`."""

from fds_offline.plugins.hcloud.package import PACKAGE
from fds_offline.plugins.provider import serve

if __name__ == "__main__":
    serve(PACKAGE)
