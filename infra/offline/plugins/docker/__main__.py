"""Runs the docker stand-in as a plugin: `python -m infra.offline.plugins.docker`."""

import sys

# Before anything else, for the SDK imports paramiko where it finds it (0.3 s), for an ssh transport not used here.
sys.modules["docker.transport.sshconn"] = None  # type: ignore[assignment]

from infra.offline.plugins.docker.package import PACKAGE  # noqa: E402
from infra.offline.plugins.provider import serve  # noqa: E402

if __name__ == "__main__":
    serve(PACKAGE)
