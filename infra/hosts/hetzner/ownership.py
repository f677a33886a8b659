"""Check that a stack owns the resources with its name in the Hetzner account.

A label of each resource holds the identity of the owner.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

from infra.engine.identity import Owner
from infra.engine.state_edits import INDEPENDENT, recorded_ids
from infra.hosts.hetzner.account import IDENTITY, labelled, record, records_of
from infra.hosts.hetzner.api import request
from infra.ownership import Part, not_taken, refuse
from infra.settings import Settings

if TYPE_CHECKING:
    from hcloud import Client

_WHERE = "the Hetzner account"


def claim(settings: Settings, owner: Owner, *, take_over: str, write: bool) -> None:
    """Check that this stack owns all resources with its name in the account, and label those that lack its identity.

    Args:
        take_over: identity of the owner whose resources this stack takes over, or this stack's name to take over
            resources without an owner.
        write: whether to label the resources; False for a preview.

    Raises:
        ForeignError: a resource belongs to another stack, or has no owner and is not in this stack's Pulumi state, and
            `take_over` does not allow taking it over.
        UnreachableError: the API does not answer.
    """
    others = request(settings.stack, lambda api: list(_others(api, settings, owner.identity)), reads=True)
    if not others:
        return
    recorded = recorded_ids(owner.record())
    unmarked = [each for each in others if not _owner(each[2]) and recorded.get(each[0]) == each[1]]
    foreign = [each for each in others if each not in unmarked]
    parts = [_part(settings, each) for each in foreign]
    refuse(settings.stack, not_taken(parts, settings.stack, take_over), _WHERE)
    if write:
        request(settings.stack, lambda api: _label(api, [*unmarked, *foreign], owner.identity))


_Found = tuple[str, str, Any]
"""Kind of a resource, the id that the Pulumi state uses for it, and the object of the API client."""


def _others(api: Client, settings: Settings, identity: str) -> Iterator[_Found]:
    """Yield the resources with the stack's name whose label `IDENTITY` is missing or differs from `identity`."""
    for kind in INDEPENDENT:
        for each in labelled(api, kind, settings):
            if _owner(each) != identity:
                yield kind, str(each.id), each
    for each in records_of(api, settings):
        if _owner(each) != identity:
            known = record(settings.dns_zone, each.name, each.type)
            yield f"record {known}", known, each


def _owner(each: Any) -> str:
    return str((each.labels or {}).get(IDENTITY, ""))


def _part(settings: Settings, found: _Found) -> Part:
    kind, _, each = found
    return Part(kind.partition(" ")[0].replace("_", " "), str(each.name), _owner(each))


def _label(api: Client, found: list[_Found], identity: str) -> None:
    """Label the resources with this identity.

    If the process is killed here, the same `fds` command can be repeated: it finds the resources that still lack this
    identity.
    """
    for kind, _, each in found:
        labels = {**(each.labels or {}), IDENTITY: identity}
        if kind.startswith("record "):
            api.zones.update_rrset(each, labels=labels)
        else:
            each.update(labels=labels)
