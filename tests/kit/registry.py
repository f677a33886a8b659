"""Run image registries for tests: an empty one, and a copy of the registry that `fds-offline` runs on this machine."""

from __future__ import annotations

import io
import os
import shutil
import signal
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from fds_offline import registry
from stack_runtime.docker_host import local_docker

LABEL = "fds.test.moved"


@dataclass(frozen=True)
class OwnRegistry:
    """A copy of the registry that `fds-offline` runs on this machine. In this copy, a test may move tags.

    Args:
        folder: the cache folder that contains the registry.
        address: `host:port` at which simulated servers reach the registry.
    """

    folder: Path
    address: str

    def move(self, reference: str) -> str:
        """Move the tag in `reference` to a copy of its image with the label `LABEL`; return the digest of the copy."""
        client = local_docker()
        with _cache(self.folder), registry.writer() as where:
            repository, _, tag = reference.rpartition(":")
            name = f"{where}/library/{repository}"
            recipe = io.BytesIO(f"FROM {reference}\nLABEL {LABEL}=1\n".encode())
            client.images.build(fileobj=recipe, tag=f"{name}:{tag}", rm=True)
            try:
                pushed = [line for line in client.api.push(name, tag=tag, stream=True, decode=True) if "aux" in line]
                return str(pushed[-1]["aux"]["Digest"])
            finally:
                client.images.remove(f"{name}:{tag}")

    def stop(self) -> None:
        """Stop the registry, so that its address no longer answers."""
        process = int((self.folder / "registry" / "reader.pid").read_text())
        os.kill(process, signal.SIGKILL)
        os.waitpid(process, 0)


@contextmanager
def empty_registry() -> Iterator[str]:
    """Serve an empty registry that accepts pushes, inside a `with` block; yield `host:port` on this machine."""
    with tempfile.TemporaryDirectory(prefix="fds-registry-") as name:
        (Path(name) / "registry").mkdir()
        _copy_program(Path(name) / "registry")
        with _cache(Path(name)), registry.writer() as where:
            yield where


@contextmanager
def own_registry() -> Iterator[OwnRegistry]:
    """Serve a copy of the registry that `fds-offline` runs on this machine, inside a `with` block.

    The original registry keeps its tags. Both registries share the files of the layers.
    """
    with tempfile.TemporaryDirectory(prefix="fds-registry-") as name:
        copied, shared = Path(name) / "registry", registry.folder()
        root = Path("data/docker/registry/v2")
        (copied / root).mkdir(parents=True)
        shutil.copytree(shared / root / "repositories", copied / root / "repositories")
        subprocess.run(["cp", "--archive", "--link", shared / root / "blobs", copied / root], check=True)
        _copy_program(copied)
        with _cache(Path(name)):
            found = OwnRegistry(Path(name), registry.serve(local_docker()))
        try:
            yield found
        finally:
            with suppress(ProcessLookupError):
                found.stop()


def _copy_program(folder: Path) -> None:
    """If setup has stored the registry program in the cache, copy it into `folder`."""
    if (registry.folder() / "docker-registry").exists():
        shutil.copy(registry.folder() / "docker-registry", folder)


@contextmanager
def _cache(folder: Path) -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("FDS_CACHE_DIR", str(folder))
        yield
