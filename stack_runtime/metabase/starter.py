"""Create Metabase's first account, a database connection, a collection, cards and a dashboard, each only once.

Except for the account, each step looks up an object in the ledger, then in Metabase, because a killed attempt may have
created the object without a record. If the object is missing in both, the step creates it. Finally, the step records
the object. If an attempt is killed at any point, the next attempt completes the work, and no object is created twice.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from stack_runtime.errors import UnreachableError
from stack_runtime.metabase.access import Access
from stack_runtime.metabase.client import Item, Metabase, MetabaseError, id_of
from stack_runtime.metabase.content import Card, cards_of, charts_of, layout
from stack_runtime.metabase.ledger import Ledger, open_ledger
from stack_runtime.pipeline.marts import SCHEMA
from stack_runtime.pipeline.postgres_config import PostgresConfig

NAME = "Data stack"
"""Name of the collection and of the dashboard."""


@dataclass(frozen=True)
class Filled:
    """Result of `fill`: names of the created objects, and messages about what was left out and why."""

    made: list[str]
    left_out: list[str]


def fill(access: Access, postgres: PostgresConfig, manifest: Path) -> Filled:
    """Create the account and the starter content; skip objects that were created before, even if a user deleted them.

    Args:
        manifest: dbt's `manifest.json` of the last run, for the charts that models declare.

    Raises:
        UnreachableError: Metabase or PostgreSQL does not answer, or Metabase refuses a request.
        LockedError: another process fills Metabase.
    """
    with open_ledger(postgres) as ledger:
        starter = Starter(access, Metabase(access.url), ledger)
        starter.log_in()
        starter.fill(manifest)
        return Filled(starter.made, starter.left_out)


class Starter:
    """Create the starter content of one Metabase.

    Args:
        metabase: a client that is not logged in yet.
    """

    def __init__(self, access: Access, metabase: Metabase, ledger: Ledger) -> None:
        self._access = access
        self._metabase = metabase
        self._ledger = ledger
        self.made: list[str] = []
        self.left_out: list[str] = []

    def log_in(self) -> None:
        """Log in with the first account. If Metabase has no account, create it and clear the ledger.

        Raises:
            UnreachableError: Metabase does not answer, or refuses the password from the stack file.
        """
        properties = self._metabase.properties()
        if properties.get("has-user-setup") is not True:
            self._ledger.clear()
            self._metabase.set_up(self._setup(properties))
            self.made.append("account")
            return
        try:
            self._metabase.log_in(self._access.email, self._access.password)
        except MetabaseError as error:
            if error.status != 401:
                raise
            raise UnreachableError(
                f"Metabase refuses the password of {self._access.email}, so nothing is added to it",
                next_command="pulumi config set --secret --path secrets.metabase_admin_password, if it was changed "
                "in Metabase",
            ) from None

    def _setup(self, properties: Item) -> Item:
        return {
            "token": properties.get("setup-token"),
            "user": {
                "email": self._access.email,
                "password": self._access.password,
                "first_name": "Data stack",
                "last_name": self._access.stack,
            },
            "prefs": {"site_name": f"Data stack {self._access.stack}", "site_locale": "en"},
        }

    def fill(self, manifest: Path) -> None:
        """Connect Metabase to the marts and create cards and a dashboard; call `log_in` first."""
        database = self._once("database", self._find_database, self._create_database)
        if not self._is_listed("/api/database", database):
            self.left_out.append("all cards, because the database was removed in Metabase")
            return
        self._update_password(database)
        marts = self._ledger.marts()
        if not marts:
            self.left_out.append("all cards, because no mart is published yet; next: fds run")
            return
        charts, problems = charts_of(manifest, marts)
        self.left_out += problems
        self._fill_collection(database, cards_of(marts, charts))

    def _fill_collection(self, database: int, cards: Sequence[Card]) -> None:
        described = "Starter content on the published marts. Rename, move, change or delete anything here."
        collection = self._described("collection", "/api/collection", {"name": NAME, "description": described})
        if not self._is_listed("/api/collection", collection):
            self.left_out.append("all cards, because the collection was removed in Metabase")
            return
        before = len(self.made)
        placed = [(made, card) for card in cards if (made := self._card(card, database, collection)) is not None]
        if len(self.made) > before:
            self._metabase.request("POST", f"/api/database/{database}/sync_schema")
        self._dashboard(collection, placed)

    def _card(self, card: Card, database: int, collection: int) -> int | None:
        """Create a card, unless it was created before. Returns: its id; None if the query of the card is invalid."""
        known = self._ledger.find(f"card {card.key}")
        if known is not None:
            return known
        if problem := self._ledger.problem(card):
            self.left_out.append(f"card {card.name[:80]!r}: its query {problem}")
            return None
        return self._described(
            f"card {card.key}",
            "/api/card",
            {
                "name": card.name,
                "description": card.description,
                "display": card.display,
                "collection_id": collection,
                "dataset_query": {
                    "type": "native",
                    "database": database,
                    "native": {"query": card.sql, "template-tags": {}},
                },
                "visualization_settings": card.settings,
            },
        )

    def _dashboard(self, collection: int, placed: Sequence[tuple[int, Card]]) -> None:
        """Create the dashboard and place the cards on it, once; cards that are created later are not placed on it."""
        described = "One chart or table for each starter card."
        body = {"name": NAME, "description": described, "collection_id": collection}
        dashboard = self._described("dashboard", "/api/dashboard", body)
        if self._ledger.find("layout") is not None or not self._is_listed("/api/dashboard", dashboard):
            return
        path = f"/api/dashboard/{dashboard}"
        if not self._metabase.get_object(path).get("dashcards"):
            there = {item.get("id") for item in self._metabase.get_list("/api/card")}
            places = layout([(card_id, card) for card_id, card in placed if card_id in there])
            self._metabase.request("PUT", path, {"dashcards": places})
        self._ledger.record("layout", dashboard)

    def _once(self, key: str, find: Callable[[], int | None], make: Callable[[], int]) -> int:
        known = self._ledger.find(key)
        if known is None:
            known = find()
            if known is None:
                known = make()
            self._ledger.record(key, known)
            self.made.append(key)
        return known

    def _described(self, key: str, path: str, body: Item) -> int:
        """Create an object, unless it was created before. Returns: its id.

        The description of the object ends with `[fds KEY]`. If an attempt is killed after it created the object, the
        next attempt finds the object by this text.
        """
        mark = f"[fds {key}]"
        marked = {**body, "description": f"{body['description']} {mark}"}

        def find() -> int | None:
            items = self._metabase.get_list(path)
            return next((id_of(item, f"GET {path}") for item in items if mark in str(item.get("description"))), None)

        return self._once(key, find, lambda: self._metabase.create(path, marked))

    def _is_listed(self, path: str, wanted: int) -> bool:
        """Return whether `path` lists an object with the id `wanted` that is not in the trash."""
        return any(item.get("id") == wanted and not item.get("archived") for item in self._metabase.get_list(path))

    def _find_database(self) -> int | None:
        same = ("host", "dbname", "user")
        for item in self._metabase.get_list("/api/database"):
            details = item.get("details")
            if isinstance(details, dict) and all(details.get(key) == self._access.database[key] for key in same):
                return id_of(item, "GET /api/database")
        return None

    def _create_database(self) -> int:
        # Show only the schema of the marts. Tables that the superuser of PostgreSQL creates in other schemas stay
        # hidden.
        shown = {"ssl": False, "schema-filters-type": "inclusion", "schema-filters-patterns": SCHEMA}
        body = {"engine": "postgres", "name": "Marts", "details": {**self._access.database, **shown}}
        made = self._metabase.create("/api/database", body)
        self._ledger.record(self._password_key(), made)
        return made

    def _update_password(self, database: int) -> None:
        """If the password for the marts has changed, write it into the connection in Metabase.

        Details of the connection that only Metabase has, such as filters of schemas, stay as they are.
        """
        if self._ledger.find(self._password_key()) is not None:
            return
        details = self._metabase.get_object(f"/api/database/{database}").get("details")
        kept = details if isinstance(details, dict) else {}
        self._metabase.request("PUT", f"/api/database/{database}", {"details": {**kept, **self._access.database}})
        self._ledger.record(self._password_key(), database)

    def _password_key(self) -> str:
        """Return the key under which the ledger records that Metabase knows the current password for the marts.

        The key contains a digest of the password, which does not reveal it, because the password is random and long.
        """
        digest = hashlib.sha256(str(self._access.database["password"]).encode()).hexdigest()
        return f"password {digest}"
