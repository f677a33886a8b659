"""Keep the objects of the stand-in for Metabase, and answer the requests about these objects."""

from __future__ import annotations

import secrets
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

HIDDEN = "**MetabasePass**"
"""Text that Metabase returns instead of a password; a client that sends this text back keeps the password."""

Item = dict[str, Any]


class Refusal(Exception):
    """Raised for a request that Metabase refuses.

    Args:
        status: HTTP status.
        body: text or JSON of the answer.
    """

    def __init__(self, status: int, body: Any) -> None:
        super().__init__(f"{status} {body}")
        self.status = status
        self.body = body


@dataclass
class State:
    """The objects of one Metabase.

    Args:
        connects: function that raises an error if the connection details of a database do not work.
    """

    connects: Callable[[Mapping[str, Any]], None] = lambda _: None
    token: str = field(default_factory=lambda: str(uuid.uuid4()))
    users: dict[str, str] = field(default_factory=dict)
    sessions: set[str] = field(default_factory=set)
    databases: list[Item] = field(default_factory=list)
    collections: list[Item] = field(default_factory=list)
    cards: list[Item] = field(default_factory=list)
    dashboards: list[Item] = field(default_factory=list)
    syncs: list[int] = field(default_factory=list)
    site_name: str = "Metabase"
    _last_id: int = 0

    def answer(self, request: tuple[str, str], number: int | None, query: Mapping[str, str], body: Any) -> Any:
        """Return the JSON of the response to a request whose form is valid.

        Args:
            number: the id in the path.

        Raises:
            Refusal: the stored objects do not allow the request, or the login is wrong.
        """
        match request:
            case ("GET", "/api/session/properties"):
                token = None if self.users else self.token
                return {"has-user-setup": bool(self.users), "setup-token": token, "site-name": self.site_name}
            case ("POST", "/api/setup"):
                return self._set_up(body)
            case ("POST", "/api/session"):
                return self._log_in(body)
            case ("GET", "/api/database"):
                return {"data": [self._shown(item) for item in self.databases], "total": len(self.databases)}
            case ("GET", "/api/database/{id}"):
                return self._shown(self._find(self.databases, number))
            case ("POST", "/api/database"):
                self._check(body["details"])
                return self._shown(self._add(self.databases, {"is_full_sync": True, **body}))
            case ("PUT", "/api/database/{id}"):
                return self._change_database(self._find(self.databases, number), body)
            case ("POST", "/api/database/{id}/sync_schema"):
                self.syncs.append(self._find(self.databases, number)["id"])
                return {"status": "ok"}
            case _:
                return self._content(request, number, query, body)

    def _content(self, request: tuple[str, str], number: int | None, query: Mapping[str, str], body: Any) -> Any:
        match request:
            case ("GET", "/api/collection"):
                wanted = query.get("archived") == "true"
                root = {"id": "root", "name": "Our analytics", "description": None}
                return [*([] if wanted else [root]), *(i for i in self.collections if i["archived"] == wanted)]
            case ("POST", "/api/collection"):
                return self._add(self.collections, body)
            case ("GET", "/api/card" | "/api/dashboard"):
                items = self.cards if request[1] == "/api/card" else self.dashboards
                return [i for i in items if i["archived"] == (query.get("f") == "archived")]
            case ("POST", "/api/card"):
                self._find(self.databases, body["dataset_query"]["database"])
                self._in_collection(body)
                return self._add(self.cards, body)
            case ("POST", "/api/dashboard"):
                self._in_collection(body)
                return self._add(self.dashboards, {"dashcards": [], **body})
            case ("GET", "/api/dashboard/{id}"):
                return self._find(self.dashboards, number)
            case ("PUT", "/api/dashboard/{id}"):
                return self._change_dashboard(self._find(self.dashboards, number), body)
        raise AssertionError(f"the stand-in has no answer to {request}")

    def _set_up(self, body: Item) -> Item:
        if self.users:
            raise Refusal(403, "The /api/setup route can only be used to create the first user")
        if body["token"] != self.token:
            raise Refusal(400, {"errors": {"token": "Token does not match the setup token."}})
        self.users[body["user"]["email"]] = body["user"]["password"]
        self.site_name = body["prefs"]["site_name"]
        return self._session()

    def _log_in(self, body: Item) -> Item:
        if self.users.get(body["username"]) != body["password"]:
            raise Refusal(401, {"errors": {"password": "did not match stored password"}})
        return self._session()

    def _session(self) -> Item:
        session = secrets.token_hex(16)
        self.sessions.add(session)
        return {"id": session}

    def _add(self, items: list[Item], body: Item) -> Item:
        self._last_id += 1
        items.append({"archived": False, **body, "id": self._last_id})
        return items[-1]

    @staticmethod
    def _find(items: list[Item], number: int | None) -> Item:
        for item in items:
            if item["id"] == number:
                return item
        raise Refusal(404, "Not found.")

    def _in_collection(self, body: Item) -> None:
        if body.get("collection_id") is not None:
            self._find(self.collections, body["collection_id"])

    @staticmethod
    def _shown(item: Item) -> Item:
        return {**item, "details": {**item["details"], "password": HIDDEN}}

    def _check(self, details: Item) -> None:
        try:
            self.connects(details)
        except Exception as error:
            raise Refusal(400, {"message": f"it cannot be connected: {error}", "valid": False}) from None

    def _change_database(self, item: Item, body: Item) -> Item:
        details = {**item["details"], **(body.get("details") or {})}
        if details.get("password") == HIDDEN:
            details["password"] = item["details"]["password"]
        self._check(details)
        item |= {key: value for key, value in body.items() if value is not None} | {"details": details}
        return self._shown(item)

    def _change_dashboard(self, item: Item, body: Item) -> Item:
        """Change a dashboard. `dashcards` in the body replaces all cards on it; an entry with a negative id is new."""
        if body.get("dashcards") is not None:
            known = {place["id"] for place in item["dashcards"]}
            for place in body["dashcards"]:
                if place["id"] >= 0 and place["id"] not in known:
                    raise Refusal(404, "Not found.")
                if place.get("card_id") is not None:
                    self._find(self.cards, place["card_id"])
            places: list[Item] = []
            for place in body["dashcards"]:
                if place["id"] < 0:
                    self._last_id += 1
                    place = {**place, "id": self._last_id}
                places.append(place)
            body = {**body, "dashcards": places}
        item |= {key: value for key, value in body.items() if value is not None}
        return item
