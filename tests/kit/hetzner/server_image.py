"""Build the image of simulated servers, once for each version of the folder `server`."""

from __future__ import annotations

import fcntl
import hashlib
import io
import ssl
import tarfile
from pathlib import Path
from tempfile import gettempdir

import docker
from docker.errors import BuildError, ImageNotFound

from .machines import MachineError

FOLDER = Path(__file__).parent / "server"
AUTHORITIES = "host-authorities.pem"


def server_image(client: docker.DockerClient) -> str:
    """Return the tag of the image of servers; build the image if it is missing, which takes one to two minutes.

    Raises:
        MachineError: when the image cannot be built.
    """
    context = _context()
    tag = f"fds-kit-server:{hashlib.sha256(context).hexdigest()[:16]}"
    with (Path(gettempdir()) / "fds-kit-server.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # if several test runs need the image at once, only one builds it
        try:
            client.images.get(tag)
        except ImageNotFound:
            try:
                client.images.build(fileobj=io.BytesIO(context), custom_context=True, tag=tag, rm=True)
            except BuildError as error:
                raise MachineError(f"the server image cannot be built: {error}") from error
    return tag


def _context() -> bytes:
    """Return the build context as a tar archive; equal files give an archive with equal bytes."""
    files = {path.name: path.read_bytes() for path in FOLDER.iterdir()}
    bundle = ssl.get_default_verify_paths().cafile
    files[AUTHORITIES] = Path(bundle).read_bytes() if bundle else b""
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w") as tar:
        for name in sorted(files):
            member = tarfile.TarInfo(name)
            member.size = len(files[name])
            tar.addfile(member, io.BytesIO(files[name]))
    return stream.getvalue()
