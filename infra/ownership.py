"""Refuse to change resources of another stack with the same name, unless a person typed the confirmation."""

from __future__ import annotations

from collections.abc import Callable, Collection, Sequence
from dataclasses import dataclass
from pathlib import Path

from docker import DockerClient

from infra.engine.identity import Owner
from infra.engine.state_edits import CONTAINER, NETWORK, ids_of
from infra.hosts import host_of
from infra.settings import Settings
from stack_runtime import docker_owner
from stack_runtime.docker_host import connect
from stack_runtime.errors import RefusedError
from stack_runtime.paths import keys_folder

_NAMED = 3
"""Maximum number of resources that an error names; of further resources, the error states only the number."""


@dataclass(frozen=True)
class Part:
    """A resource with this stack's name that this stack did not create.

    Args:
        owner: the identity in the resource's mark, which is a label of the resource or of a marker volume; empty if the
            resource has no mark: early versions of this project did not mark the resources that they created.
    """

    kind: str
    name: str
    owner: str


class ForeignError(RefusedError):
    """Another stack of the same name owns resources that this stack would change.

    Attributes:
        confirmation: what a person types to take over these resources.
    """

    def __init__(self, stack: str, parts: Sequence[Part], where: str) -> None:
        owner = parts[0].owner
        self.confirmation = shown(owner) or stack
        theirs = [f"{part.kind} {part.name}" for part in parts if part.owner == owner]
        more = f" and {len(theirs) - _NAMED} more" if len(theirs) > _NAMED else ""
        maker = shown(owner) or "an earlier version with another state"
        super().__init__(
            f"another stack {stack}, made by {maker}, has {', '.join(theirs[:_NAMED])}{more}",
            where=where,
            next_command=f"use another name with --stack, or take them over: fds up --stack {stack} "
            f"--take-over {self.confirmation}",
        )


def shown(owner: str) -> str:
    """Return the identity of the owner in printable form: it comes from a label, which may contain any characters."""
    return "".join(letter for letter in owner if letter.isascii() and letter.isprintable() and letter != " ")[:63]


def claim(settings: Settings, project: Path, owner: Owner, *, take_over: str = "", write: bool = True) -> None:
    """Check that this stack owns all resources with its name on its host, and mark them.

    Resources that an earlier version created have no mark; they belong to the stack whose Pulumi state has their ids.

    Args:
        project: the folder of the stack file.
        take_over: what a person typed: the owner whose resources are taken over, or the stack's name for resources
            without an owner.
        write: whether to mark the resources of this stack; False for a preview.

    Raises:
        ForeignError: a resource belongs to another stack, and `take_over` does not allow taking it over.
        UnreachableError: Docker or the account does not answer.
    """
    host, keys = host_of(settings), keys_folder(project, settings.stack)
    if host.makes_machine:
        host.claim(settings, owner, take_over=take_over, write=write)
    elif host.may_hold(keys):
        with host.docker_endpoint(settings, keys) as where:
            _claim_docker(connect(where), settings, owner, take_over, write)


def _claim_docker(client: DockerClient, settings: Settings, owner: Owner, take_over: str, write: bool) -> None:
    """Claim the stack's resources on a daemon that several stacks may share."""
    name = host_of(settings).docker_name(settings)
    foreign = foreign_on(client, settings.stack, lambda: owner)
    refuse(settings.stack, not_taken(foreign, settings.stack, take_over), name)
    if write:
        if foreign:
            docker_owner.release(client, settings.stack)
        first = docker_owner.claim(client, settings.stack, owner.identity)
        if first != owner.identity:  # another stack's deployment marked the resources just before
            refuse(settings.stack, _marked(client, settings.stack, first), name)


def refuse(stack: str, parts: Sequence[Part], where: str) -> None:
    """Raise the error for `parts`, the resources that belong to another stack; do nothing if there are none.

    Raises:
        ForeignError: there are such parts.
    """
    if parts:
        raise ForeignError(stack, parts, where)


def not_taken(parts: Collection[Part], stack: str, take_over: str) -> list[Part]:
    """Return the resources in `parts` that a person has not agreed to take over."""
    return [part for part in parts if not take_over or (shown(part.owner) or stack) != take_over]


def foreign_on(client: DockerClient, stack: str, owner: Callable[[], Owner]) -> list[Part]:
    """Return the resources on a shared Docker daemon that belong to another stack with the name `stack`.

    Args:
        owner: returns the identity and state of this stack; called only if the daemon has resources with this name.
    """
    marked = docker_owner.owner(client, stack)
    if marked is not None:
        return [] if marked == owner().identity else _marked(client, stack, marked)
    ids = docker_owner.ids(client, stack)
    if not ids:
        return []
    record = owner().record()
    ours = ids.keys() & (ids_of(record, CONTAINER) | ids_of(record, NETWORK))
    return [] if ours else [Part(kind, name, "") for kind, name in ids.values()]


def _marked(client: DockerClient, stack: str, marked: str) -> list[Part]:
    found = [Part(kind, name, marked) for kind, name in docker_owner.ids(client, stack).values()]
    return found or [Part("volume", docker_owner.marker(stack), marked)]
