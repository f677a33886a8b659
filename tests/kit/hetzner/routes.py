"""Answer a request: choose the collection by the path, and call its function for the HTTP method.

Every kind has the paths `/KIND`, `/KIND/ID`, `/KIND/ID/actions`, `/KIND/ID/actions/NAME`, `/KIND/actions` and
`/KIND/actions/ID`.
"""

from __future__ import annotations

from typing import Any

from . import servers, ssh_keys, volumes, zones
from .account import Account
from .collection import Collection, Empty, Fixed
from .errors import ApiError
from .firewalls import Firewalls
from .ips import FloatingIps, PrimaryIps
from .networks import Networks
from .selectors import Query, chosen, page

Row = dict[str, Any]
Answer = tuple[int, Row | None]
READ_ONLY = {"GET", "HEAD"}


class Routes:
    """All endpoints of `/v1`; the caller must hold the account's lock."""

    def __init__(self, account: Account) -> None:
        self.account = account
        catalogue = account.catalogue
        kinds: list[Collection] = [
            servers.Servers(account), volumes.Volumes(account), Networks(account), Firewalls(account),
            ssh_keys.SshKeys(account), ssh_keys.Images(account), PrimaryIps(account), FloatingIps(account),
            zones.Zones(account), Fixed(account, "server_type", catalogue.server_types),
            Fixed(account, "location", catalogue.locations), Fixed(account, "iso", []),
            Fixed(account, "load_balancer_type", []),
            *(Empty(account, kind) for kind in ("load_balancer", "placement_group", "certificate")),
        ]  # fmt: skip
        self.kinds = {kind.plural: kind for kind in kinds}

    def answer(self, method: str, path: str, query: Query, raw: Row) -> Answer:
        """Handle a request and return status and body of the response.

        Raises:
            ApiError: the request is refused.
        """
        head, *rest = path.strip("/").split("/")
        if head == "pricing" and not rest:
            return self._only("GET", method, self.account.catalogue.shown_pricing())
        if head == "datacenters":
            raise ApiError("deprecated_api_endpoint", "datacenters were removed on 2026-10-01, use locations")
        if head == "actions":
            return self._only("GET", method, self._actions(rest, query))
        if head not in self.kinds:
            raise ApiError("not_found", f"no such endpoint: /{head}")
        kind = self.kinds[head]
        if isinstance(kind, zones.Zones) and rest[1:2] == ["rrsets"]:
            key = ["/".join(rest[2:4]), *rest[4:]] if len(rest) >= 4 else []
            return self._in(zones.RRSets(self.account, kind.find(rest[0])), key, method, query, raw)
        return self._in(kind, rest, method, query, raw)

    def _in(self, kind: Collection, rest: list[str], method: str, query: Query, raw: Row) -> Answer:
        match method, rest:
            case "GET", []:
                return 200, kind.list(query)
            case "POST", []:
                return 201, kind.create(raw)
            case "GET", ["actions"]:
                return 200, kind.actions(None, query)
            case "GET", ["actions", key] | [_, "actions", key]:
                return 200, {"action": dict(self.account.action(key))}
            case "GET", [key]:
                return 200, kind.get(kind.find(key))
            case "PUT", [key]:
                return 200, kind.update(kind.find(key), raw)
            case "DELETE", [key]:
                body = kind.delete(kind.find(key))
                return (204, None) if body is None else (200, body)
            case "GET", [key, "actions"]:
                return 200, kind.actions(kind.find(key), query)
            case "POST", [key, "actions", name]:
                return self._act(kind, key, name, raw)
        raise ApiError("method_not_allowed", f"{method} is not allowed here")

    @staticmethod
    def _act(kind: Collection, key: str, name: str, raw: Row) -> Answer:
        perform = getattr(kind, f"do_{name}", None)
        if perform is None:
            raise ApiError("not_found", f"no such action: {name}")
        return 201, perform(kind.find(key), raw)

    @staticmethod
    def _only(allowed: str, method: str, body: Row) -> Answer:
        if method != allowed:
            raise ApiError("method_not_allowed", f"{method} is not allowed here")
        return 200, body

    def _actions(self, rest: list[str], query: Query) -> Row:
        if rest:
            return {"action": dict(self.account.action(rest[0]))}
        if "id" not in query:
            raise ApiError("deprecated_api_endpoint", "listing all actions was removed, request them by id")
        rows, meta = page(chosen(self.account.actions.values(), query, ("id", "status")), query)
        return {"actions": [dict(row) for row in rows], "meta": meta}
