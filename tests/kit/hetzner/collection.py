"""Implement the requests that all kinds of resources share: list, get, update, delete and actions."""

from __future__ import annotations

from typing import Any

from . import bodies
from .account import Account
from .errors import ApiError, locked, protected
from .selectors import Query, chosen, page

Row = dict[str, Any]


class Collection:
    """One kind of resource. A subclass adds `create`, and a method `do_<action>` for each action."""

    kind = ""
    plural = ""
    filters: tuple[str, ...] = ("name",)
    update_body: type[bodies.Body] = bodies.Update

    def __init__(self, account: Account) -> None:
        self.account = account

    def view(self, row: Row) -> Row:
        """Return the row as the API shows it."""
        return {key: value for key, value in row.items() if not key.startswith("_")}

    def find(self, key: str) -> Row:
        """Return the row whose id is `key`, which comes from the path of a request."""
        return self.account.get(self.plural, key)

    def all(self) -> list[Row]:
        """Return every row of this kind."""
        return list(self.account.rows[self.plural].values())

    def list(self, query: Query) -> Row:
        rows, meta = page(chosen(self.all(), query, self.filters), query)
        return {self.plural: [self.view(row) for row in rows], "meta": meta}

    def get(self, row: Row) -> Row:
        return {self.kind: self.view(row)}

    def create(self, raw: Row) -> Row:
        raise ApiError("method_not_allowed", f"{self.plural} cannot be created")

    def update(self, row: Row, raw: Row) -> Row:
        changes = self.update_body.of(raw).model_dump(exclude_none=True)
        if "name" in changes:
            self.account.unique(self.plural, "name", changes["name"], but=row)
        row.update(changes)
        return self.get(row)

    def delete(self, row: Row) -> Row | None:
        self.refuse_protected(row)
        del self.account.rows[self.plural][row["id"]]
        return None

    def do_change_protection(self, row: Row, raw: Row) -> Row:
        body = bodies.Protection.of(raw)
        return self.acted("change_protection", row, effect=lambda: row["protection"].update(delete=body.delete))

    def acted(self, command: str, row: Row, also: tuple[tuple[str, int], ...] = (), **rest: Any) -> Row:
        """Start an action on `row` and return the response; `rest` is passed to `Account.act`."""
        return {"action": self.account.act(command, [(self.kind, row["id"]), *also], **rest)}

    def refuse_protected(self, row: Row) -> None:
        """Raise an error if the row is protected against deletion.

        Raises:
            ApiError: the row is protected (code `protected`).
        """
        if row.get("protection", {}).get("delete"):
            raise protected(self.kind)

    def refuse_locked(self, *rows: Row) -> None:
        """Raise an error if a running action locks one of the rows.

        Raises:
            ApiError: `locked`.
        """
        if any(row.get("_held") for row in rows):
            raise locked(self.kind)

    def actions(self, row: Row | None, query: Query) -> Row:
        """Return the actions of one row, or of all rows."""
        mine = [
            action for action in self.account.actions.values()
            if any(r["type"] == self.kind and (row is None or r["id"] == row["id"]) for r in action["resources"])
        ]  # fmt: skip
        rows, meta = page(chosen(mine, query, ("status", "id")), query)
        return {"actions": [dict(action) for action in rows], "meta": meta}


class Fixed(Collection):
    """A kind of resource that the provider defines, so clients can only read it."""

    def __init__(self, account: Account, kind: str, rows: list[Row]) -> None:
        super().__init__(account)
        self.kind, self.plural, self._rows = kind, f"{kind}s", rows

    def all(self) -> list[Row]:
        return self._rows

    def find(self, key: str) -> Row:
        for row in self._rows:
            if str(row["id"]) == key:
                return row
        raise ApiError("not_found", f"{self.kind} with ID '{key}' not found")

    def update(self, row: Row, raw: Row) -> Row:
        raise ApiError("method_not_allowed", f"{self.plural} cannot be changed")

    def delete(self, row: Row) -> Row | None:
        raise ApiError("method_not_allowed", f"{self.plural} cannot be deleted")


class Empty(Collection):
    """A kind of resource that this double cannot create, so its list is always empty."""

    def __init__(self, account: Account, kind: str) -> None:
        super().__init__(account)
        self.kind, self.plural = kind, f"{kind}s"
