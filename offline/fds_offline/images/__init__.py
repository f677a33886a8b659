"""Build stand-ins for official images from Debian and Python packages, for machines that cannot reach Docker Hub.

Each folder here is a recipe for an image that users can use like the official image. A label marks the image as a
stand-in and contains the fingerprint of its inputs. The image is built again only when the fingerprint changes.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import ssl
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import docker
from docker.errors import APIError, BuildError, ImageNotFound, NotFound

from fds_offline import registry
from fds_offline.apt_sources import KEYRING, RELEASE, mirrors, sources_file
from infra.prerequisites.apt import can_install, install
from infra.prerequisites.prerequisite import digest, run
from stack_runtime.errors import UnreachableError
from stack_runtime.paths import cache_dir
from stack_runtime.text import Say

RECIPES = {
    "debian:12-slim": "debian",
    "python:3.11-slim": "python",
    "postgres:15": "postgres",
    "redis:7": "redis",
    "traefik:v3.7": "traefik",
    "prom/prometheus:v3.13.1": "prometheus",
    "prom/alertmanager:v0.34.1": "alertmanager",
    "prom/node-exporter:v1.11.1": "node-exporter",
    "prom/blackbox-exporter:v0.29.0": "blackbox-exporter",
    "prometheuscommunity/postgres-exporter:v0.19.1": "postgres-exporter",
    "oliver006/redis_exporter:v1.87.0-alpine": "redis-exporter",
}
"""Folder of the recipe for each image that can be built. A base image comes before the images that start from it."""

STAND_IN = "fds.stand-in"
"""The label of a stand-in; its value is the fingerprint of the recipe."""

_NOT_IN_BASE = (
    "./etc/apt/sources.list", "./var/cache/apt/*", "./var/cache/debconf/*-old", "./var/lib/apt/lists/*",
    "./var/log/*.log", "./usr/share/info/*", "./usr/share/locale/*", "./usr/share/man/*",
)  # fmt: skip
_PROXIES = ("HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy")


@cache
def fingerprint(reference: str) -> str:
    """Return a digest of the recipe, the recipes of its base images, and this machine's certificates and mirrors."""
    folder = _folder(reference)
    parts: list[bytes | str] = []
    for path in sorted(folder.iterdir()):
        parts += [path.name, path.read_bytes()]
    parts += [fingerprint(base) for base in bases(reference)]
    if not bases(reference):
        parts += [certificates().read_bytes(), sources_file()]
    return digest(*parts)


def bases(reference: str) -> list[str]:
    """Return those base images of `reference` for which there is also a recipe."""
    text = (_folder(reference) / "Dockerfile").read_text()
    return [name for name in re.findall(r"^FROM (\S+)", text, re.MULTILINE) if name in RECIPES]


def is_current(client: docker.DockerClient, reference: str) -> bool:
    """Return whether the daemon has the official image, or a stand-in that was built from the current recipe."""
    with contextlib.suppress(ImageNotFound):
        made_from = client.images.get(reference).labels.get(STAND_IN)
        return made_from is None or made_from == fingerprint(reference)
    return False


def provide(client: docker.DockerClient, reference: str, say: Say) -> str:
    """Load the image from this machine's registry if the registry has it; otherwise build the image.

    Returns: `from this machine's registry` or `built here`.

    Raises:
        UnreachableError: there is no recipe, or the image cannot be built on this machine.
    """
    if reference not in RECIPES:
        raise UnreachableError(
            f"no image hub answers, and {reference} cannot be built from packages",
            next_command="load the image with `docker load`, or leave out the profile that needs it",
        )
    if registry.holds(_repository(reference), fingerprint(reference)):
        with registry.writer() as where:
            if _load(client, reference, where):
                return "from this machine's registry"
    for base in bases(reference):
        if not is_current(client, base):
            provide(client, base, say)
    _build(client, reference, say)
    return "built here"


def is_stored(reference: str) -> bool:
    """Return whether the registry has the current image with both of its tags: the fingerprint and the usual tag."""
    return all(registry.holds(_repository(reference), tag) for tag in (fingerprint(reference), _tag(reference)))


def store(client: docker.DockerClient, reference: str, where: str) -> None:
    """Push the daemon's image to the registry at `where`, which must accept pushes (`registry.writer`).

    Raises:
        UnreachableError: the daemon cannot push to the registry, for example because it is on another machine.
    """
    name = f"{where}/{_repository(reference)}"
    for tag in (_tag(reference), fingerprint(reference)):
        client.images.get(reference).tag(name, tag)
        try:
            for line in client.api.push(name, tag=tag, stream=True, decode=True):
                if "error" in line:
                    raise UnreachableError(f"{reference} cannot be stored: {line['error']}", next_command="fds setup")
        finally:
            client.images.remove(f"{name}:{tag}")


def is_stand_in(client: docker.DockerClient, reference: str) -> bool:
    """Return whether the daemon's image `reference` is a stand-in."""
    try:
        return STAND_IN in client.images.get(reference).labels
    except ImageNotFound:
        return False


def certificates() -> Path:
    """Return the path of the file with the certificates that this machine trusts."""
    chosen = os.environ.get("SSL_CERT_FILE"), ssl.get_default_verify_paths().cafile
    for path in (*chosen, "/etc/ssl/certs/ca-certificates.crt", "/etc/pki/tls/certs/ca-bundle.crt"):
        if path and Path(path).is_file():
            return Path(path)
    raise UnreachableError("this machine has no certificates", next_command="apt-get install ca-certificates")


def _folder(reference: str) -> Path:
    return Path(__file__).parent / RECIPES[reference]


def _repository(reference: str) -> str:
    name = reference.partition(":")[0]
    return name if "/" in name else f"library/{name}"


def _tag(reference: str) -> str:
    return reference.partition(":")[2]


def _load(client: docker.DockerClient, reference: str, where: str) -> bool:
    """Pull the image from the registry at `where`.

    Returns: False if the daemon cannot pull it, for example because the daemon is on another machine.
    """
    try:
        image = client.images.pull(f"{where}/{_repository(reference)}", tag=fingerprint(reference))
    except (APIError, NotFound):
        return False
    image.tag(*reference.split(":"))
    client.images.remove(f"{where}/{_repository(reference)}:{fingerprint(reference)}")
    return True


def _build(client: docker.DockerClient, reference: str, say: Say) -> None:
    with tempfile.TemporaryDirectory(dir=_made(cache_dir() / "images"), prefix="context-") as name:
        context = Path(name)
        shutil.copytree(_folder(reference), context, dirs_exist_ok=True)
        if not bases(reference):
            os.link(_root_file_system(say), context / "rootfs.tar")
            (context / "ca-bundle.crt").write_bytes(certificates().read_bytes())
            (context / "debian.sources").write_text(sources_file())
        for file in context.iterdir():  # permissions must not depend on how the package was installed, or on the umask
            file.chmod(0o755 if file.suffix == ".sh" else 0o644)
        say(f"building {reference}")
        proxies = {key: os.environ[key] for key in _PROXIES if key in os.environ}
        labels = {STAND_IN: fingerprint(reference)}
        try:
            client.images.build(path=name, tag=reference, labels=labels, buildargs=proxies, rm=True, forcerm=True)
        except (BuildError, APIError) as error:
            raise UnreachableError(
                f"image {reference} cannot be built: {_reason(error)}", next_command="fds setup again"
            ) from None


def _reason(error: Any) -> str:
    """Return the last two non-empty lines of a failed build's output, or the error's text if there is no output.

    At most 400 characters are kept.
    """
    said = [str(line.get("stream", "")).strip() for line in getattr(error, "build_log", None) or []]
    return " ".join([line for line in said if line][-2:] or [str(error)])[-400:]


def _root_file_system(say: Say) -> Path:
    """Return a minimal Debian system as a tar file, built once for each mirror."""
    target = _made(cache_dir() / "images") / f"rootfs-{digest(*mirrors(), *_NOT_IN_BASE)}.tar"
    if target.exists():
        return target
    follow = "sudo fds setup"
    if os.geteuid() != 0:
        raise UnreachableError("images cannot be pulled, and building them needs root", next_command=follow)
    if shutil.which("debootstrap") is None or not Path(KEYRING).exists():
        if not can_install():
            raise UnreachableError("images cannot be built without debootstrap", next_command="install debootstrap")
        say("installing debootstrap")
        install("debootstrap", "debian-archive-keyring")
    say("making a Debian root file system, half a minute")
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="rootfs-") as work:
        root = f"{work}/root"
        # Run debootstrap in its own mount namespace, so that its mounts disappear even if it is killed.
        command = ["unshare", "--mount", "debootstrap", f"--keyring={KEYRING}", "--variant=minbase", RELEASE, root]
        run([*command, mirrors()[0]], what="the Debian base cannot be made", next_command=follow)
        draft = Path(work) / "rootfs.tar"
        left_out = [f"--exclude={pattern}" for pattern in _NOT_IN_BASE]
        packing: list[str | Path] = ["tar", "-C", root, "--numeric-owner", *left_out, "-cf", draft, "."]
        run(packing, what="the Debian base cannot be packed", next_command=follow)
        os.replace(draft, target)
    return target


def _made(folder: Path) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    return folder


def remove_leftovers() -> None:
    """Remove the temporary folders that killed builds left in the cache."""
    for path in (cache_dir() / "images").glob("context-*"):
        shutil.rmtree(path, ignore_errors=True)
    for path in (cache_dir() / "images").glob("rootfs-*"):
        if path.is_dir():
            subprocess.run(["rm", "-rf", "--one-file-system", str(path)], check=False)
