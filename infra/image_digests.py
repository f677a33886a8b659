"""Ask Docker and the registry for the digests of images, to lock images and to check locked images."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient
from docker.errors import APIError, DockerException, ImageNotFound, NotFound
from requests import RequestException

from infra.build_context import pulled_images
from infra.image_lock import FILE, pinned, read, unlock_command, write
from infra.services import catalogue, selected
from infra.settings import Settings
from stack_runtime.errors import UnreachableError, UsageError

_LONGEST_REASON = 200
"""Maximum length of a registry's answer in a message, in characters."""


@dataclass(frozen=True)
class Pinning:
    """The images that a deployment pinned by digest, and the images that it could not pin."""

    new: Mapping[str, str]
    """Digests that were added to the lock, by image."""
    unpinned: Mapping[str, str]
    """Reason why an image was not pinned, by image."""
    unknown: Sequence[str] = ()
    """Locked images that no service pulls; if digests are added, the lock file is rewritten without these images."""

    def lines(self) -> list[str]:
        """Return messages for a person: at most one line for each of the three fields."""
        by_reason: dict[str, list[str]] = {}
        for reference, reason in sorted(self.unpinned.items()):
            by_reason.setdefault(reason, []).append(reference)
        reasons = "; ".join(f"{', '.join(names)} ({reason})" for reason, names in by_reason.items())
        pinned_now = f"pinned {', '.join(sorted(self.new))} in {FILE}, which belongs in version control"
        todo = "the lines were removed" if self.new else "correct their names, or remove their lines"
        needless = f"no service pulls {', '.join(self.unknown)}, which {FILE} has: {todo}"
        return [
            *[pinned_now] * bool(self.new),
            *[f"not pinned by digest: {reasons}"] * bool(reasons),
            *[needless] * bool(self.unknown),
        ]


def missing(project: Path, settings: Settings) -> list[str]:
    """Return the images that a stack pulls and the lock file lacks.

    Raises:
        UsageError: the lock file is malformed.
    """
    lock = read(project)
    return [reference for reference in pulled_images(selected(settings)) if reference not in lock]


def complete(client: DockerClient, project: Path, settings: Settings) -> Pinning:
    """Check the locked images of a stack, and lock the images that it pulls and that the lock file lacks.

    If images are added to the file, entries of images that the catalogue no longer has are removed from it.

    Args:
        client: client of the daemon that runs the stack's containers; the daemon asks the registry, or its mirror.

    Raises:
        UsageError: the lock file is malformed, or has a digest that no registry serves.
        UnreachableError: a locked image is not on the host, and the registry does not answer.
    """
    refuse_unserved(client, pulled_images(selected(settings)), read(project))
    found: dict[str, str] = {}
    reasons: dict[str, str] = {}
    for reference in missing(project, settings):
        digest, reason = _resolved(client, reference)
        if digest:
            found[reference] = digest
        else:
            reasons[reference] = reason
    used, locked = pulled_images(catalogue()), read(project)
    if found:
        write(project, {name: digest for name, digest in {**locked, **found}.items() if name in used})
    return Pinning(found, reasons, sorted(locked.keys() - set(used)))


def refuse_unserved(client: DockerClient, references: Iterable[str], lock: Mapping[str, str]) -> None:
    """Refuse locked images that are neither on the host nor served by their registry.

    Raises:
        UsageError: the registry has no such digest.
        UnreachableError: the registry does not answer.
    """
    for reference in references:
        name = pinned(reference, lock)
        if reference not in lock or _is_there(client, name):
            continue
        try:
            client.images.get_registry_data(name)
        except NotFound:
            raise UsageError(
                f"{reference} is locked to {lock[reference]}, which its registry does not serve",
                where=FILE,
                next_command=unlock_command(reference),
            ) from None
        except (DockerException, RequestException) as error:
            raise UnreachableError(
                f"{reference} is locked to a digest that is not on the host, and no registry answers: {_said(error)}",
                where=FILE,
                next_command="fds up again later",
            ) from None


def _is_there(client: DockerClient, name: str) -> bool:
    try:
        client.images.get(name)
    except ImageNotFound:
        return False
    return True


def _resolved(client: DockerClient, reference: str) -> tuple[str, str]:
    """Return the registry's current digest of a tag, else the digest of the image on the host; or why there is none.

    An image on the host without a digest was built or loaded there. The registry's image of the same name is a
    different image, so its digest is not used.

    Returns: the digest and an empty reason, or an empty digest and the reason.
    """
    local: list[str] = []
    try:
        repository = reference.rpartition(":")[0]
        digests = client.images.get(reference).attrs["RepoDigests"] or []
        local = [each.partition("@")[2] for each in digests if each.startswith(f"{repository}@")]
        if not local:
            return "", "built or loaded on the host, so no registry has it"
    except ImageNotFound:
        pass
    try:
        return str(client.images.get_registry_data(reference).id), ""
    except (DockerException, RequestException) as error:
        return (local[0], "") if local else ("", f"no registry gives its digest: {_said(error)}")


def _said(error: Exception) -> str:
    reason = (error.explanation if isinstance(error, APIError) else None) or str(error)
    return " ".join(str(reason).split())[:_LONGEST_REASON]
