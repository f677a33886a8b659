"""Store the resources of one simulated project as JSON rows grouped by kind, and run the actions that change rows.

A row differs from the JSON of the API in two points. It stores only the id of another resource, where the API shows
that resource. And its keys with a leading underscore are internal, so the API never shows them.
"""

from __future__ import annotations

import itertools
import threading
from collections.abc import Callable, Iterable
from datetime import UTC, datetime
from typing import Any

from .catalogue import Catalogue
from .errors import ApiError, invalid, not_found, not_unique
from .machines import MachineError, Machines

Row = dict[str, Any]
KINDS = (
    "servers", "volumes", "networks", "firewalls", "ssh_keys", "primary_ips", "floating_ips", "images",
    "placement_groups", "load_balancers", "certificates", "zones",
)  # fmt: skip


def now() -> str:
    """Return the current time in the API's format."""
    return datetime.now(UTC).isoformat(timespec="seconds")


class Account:
    """The resources and actions of one project. Every access to rows needs `lock`; work on machines runs without it.

    Args:
        catalogue: server types, locations, images and prices.
        machines: the machines on which the servers run.
        action_seconds: minimum duration of an action.
    """

    def __init__(self, catalogue: Catalogue, machines: Machines, action_seconds: float) -> None:
        self.catalogue = catalogue
        self.machines = machines
        self.lock = threading.RLock()
        self.rows: dict[str, dict[int, Row]] = {kind: {} for kind in KINDS}
        self.actions: dict[int, Row] = {}
        self.action_seconds = action_seconds
        self.ahead: tuple[float, bool] = (0.0, False)
        """Extra seconds of each action that the current request starts, and whether these actions end in error."""
        self._ids = itertools.count(1_000_001)
        self._finished: dict[int, threading.Event] = {}
        self._closing = threading.Event()

    def new_id(self) -> int:
        """Return an id that no row or action of this project has had."""
        return next(self._ids)

    def add(self, kind: str, row: Row) -> Row:
        """Store a new row with a new id and creation time, and return it."""
        row = {"id": self.new_id(), "created": now(), **row}
        self.rows[kind][row["id"]] = row
        return row

    def get(self, kind: str, key: object) -> Row:
        """Return the row with id `key`.

        Raises:
            ApiError: `not_found`.
        """
        try:
            return self.rows[kind][int(str(key))]
        except (KeyError, ValueError):
            raise not_found(kind.rstrip("s"), key) from None

    def named(self, kind: str, field: str, key: int | str) -> Row:
        """Return the row whose id or name is `key`.

        Raises:
            ApiError: `invalid_input` if no row matches; it names `field`, the request field that has the value `key`.
        """
        for row in self.rows[kind].values():
            if str(key) in (str(row["id"]), row.get("name")):
                return row
        raise invalid(field, f"{kind.rstrip('s')} '{key}' not found")

    def unique(self, kind: str, field: str, value: object, but: Row | None = None) -> None:
        """Raise an error if a row other than `but` has `value` in `field`.

        Raises:
            ApiError: `uniqueness_error`.
        """
        if any(row is not but and row.get(field) == value for row in self.rows[kind].values()):
            raise not_unique(kind.rstrip("s"), field)

    def act(
        self,
        command: str,
        on: Iterable[tuple[str, int]],
        *,
        work: Callable[[], None] | None = None,
        effect: Callable[[], None] | None = None,
        holds: Iterable[Row] = (),
        after: Row | None = None,
    ) -> Row:
        """Start an action and return it.

        Args:
            command: name of the action.
            on: kind and id of each resource that the action concerns.
            work: changes to machines, which run without the lock; a `MachineError` ends the action in error.
            effect: changes to rows when the action succeeds.
            holds: rows that the API calls locked, so that it refuses other actions on them while this action runs.
            after: an action that must succeed first.
        """
        resources = [{"type": kind, "id": identity} for kind, identity in on]
        action: Row = {
            "id": self.new_id(), "command": command, "status": "running", "progress": 0, "started": now(),
            "finished": None, "error": None, "resources": resources,
        }  # fmt: skip
        self.actions[action["id"]] = action
        self._finished[action["id"]] = threading.Event()
        held = list(holds)
        for row in held:
            row["_held"] = row.get("_held", 0) + 1
        arguments = (action, work, effect, held, after, *self.ahead)
        threading.Thread(target=self._run, args=arguments, name=f"action-{command}", daemon=True).start()
        return dict(action)

    def _run(
        self,
        action: Row,
        work: Callable[[], None] | None,
        effect: Callable[[], None] | None,
        held: list[Row],
        after: Row | None,
        longer: float,
        fails: bool,
    ) -> None:
        error = None
        try:
            if after is not None and not self._succeeded(after):
                raise MachineError(f"{after['command']} failed")
            self._closing.wait(self.action_seconds + longer)
            if fails:
                raise MachineError("injected error")
            if work is not None:
                work()
        except MachineError as failure:
            error = {"code": "action_failed", "message": str(failure)}
        except Exception as bug:  # a bug of this test double must end the action too, or clients wait for ever
            error = {"code": "server_error", "message": repr(bug)}
        with self.lock:
            if error is None and effect is not None:
                effect()
            for row in held:
                row["_held"] -= 1
            action.update(status="error" if error else "success", progress=100, finished=now(), error=error)
        self._finished[action["id"]].set()

    def _succeeded(self, action: Row) -> bool:
        self._finished[action["id"]].wait()
        return bool(self.actions[action["id"]]["status"] == "success")

    def settle(self, timeout: float = 120.0) -> None:
        """Wait until every action that was started before this call has ended.

        Raises:
            TimeoutError: waiting for one action took more than `timeout` seconds.
        """
        for identity in list(self._finished):
            if not self._finished[identity].wait(timeout):
                raise TimeoutError(f"action {self.actions[identity]['command']} still runs after {timeout} s")

    def close(self) -> None:
        """Skip the delay of every running or later action."""
        self._closing.set()

    def summary(self) -> dict[str, int]:
        """Return the number of resources of each kind; the system images of the provider do not count."""
        with self.lock:
            counts = {kind: len(rows) for kind, rows in self.rows.items()}
            counts["images"] = sum(row["type"] != "system" for row in self.rows["images"].values())
            counts["rrsets"] = sum(len(zone["_rrsets"]) for zone in self.rows["zones"].values())
        return counts

    def action(self, key: object) -> Row:
        """Return the action with id `key`.

        Raises:
            ApiError: `not_found`.
        """
        try:
            return self.actions[int(str(key))]
        except (KeyError, ValueError):
            raise ApiError("not_found", f"action with ID '{key}' not found") from None
