"""Runs the docker stand-in as a plugin: `python -m infra.offline.plugins.docker`."""

import sys

from infra.offline.plugins.docker.package import PACKAGE
from infra.offline.plugins.provider import serve

if __name__ == "__main__":
    # The SDK imports paramiko where it finds it (0.3 s), for an ssh transport that is not used here.
    sys.modules.setdefault("paramiko", None)  # type: ignore[arg-type]
    serve(PACKAGE)
