"""Simulate volumes: network disks that are independent of servers."""

from __future__ import annotations

from . import bodies
from .account import Row
from .collection import Collection
from .errors import ApiError, invalid


class Volumes(Collection):
    kind = "volume"
    plural = "volumes"
    filters = ("name", "status")

    def create(self, raw: Row) -> Row:
        body = bodies.VolumeCreate.of(raw)
        account = self.account
        if (body.location is None) == (body.server is None):
            raise invalid("location", "give either a location or a server")
        if body.automount and body.server is None:
            raise invalid("automount", "needs a server")
        account.unique(self.plural, "name", body.name)
        server = None if body.server is None else account.named("servers", "server", body.server)
        if server is not None:
            self.refuse_locked(server)
        place = server["location"] if server else account.catalogue.location("location", body.location or "")
        row = account.add(self.plural, {
            "name": body.name, "size": body.size, "server": None, "status": "creating", "location": place,
            "format": body.format, "protection": {"delete": False}, "labels": body.labels,
        })  # fmt: skip
        row["linux_device"] = f"/dev/disk/by-id/scsi-0HC_Volume_{row['id']}"

        def work() -> None:
            account.machines.create_volume(row["id"], body.size, body.format)

        effect = lambda: row.update(status="available")  # noqa: E731
        first = account.act("create_volume", [("volume", row["id"])], work=work, effect=effect, holds=[row])
        following = [] if server is None else [self._attach(row, server, bool(body.automount), after=first)]
        return {"volume": self.view(row), "action": first, "next_actions": following}

    def _attach(self, row: Row, server: Row, automount: bool, after: Row | None = None) -> Row:
        def work() -> None:
            self.account.machines.attach(row["id"], server["id"], automount)

        return self.account.act(
            "attach_volume", [("server", server["id"]), ("volume", row["id"])],
            work=work, effect=lambda: row.update(server=server["id"]), holds=[row, server], after=after,
        )  # fmt: skip

    def delete(self, row: Row) -> None:
        self.refuse_protected(row)
        self.refuse_locked(row)
        if row["server"] is not None:
            raise ApiError("volume_already_attached", "volume is attached to a server, detach it first")
        super().delete(row)
        self.account.machines.delete_volume(row["id"])

    def do_attach(self, row: Row, raw: Row) -> Row:
        body = bodies.VolumeAttach.of(raw)
        server = self.account.named("servers", "server", body.server)
        if row["server"] is not None:
            raise ApiError("volume_already_attached", "volume is already attached to a server, detach it first")
        if row["location"]["name"] != server["location"]["name"]:
            raise invalid("server", "volume and server must be at the same location")
        self.refuse_locked(row, server)
        return {"action": self._attach(row, server, bool(body.automount))}

    def do_detach(self, row: Row, raw: Row) -> Row:
        bodies.Empty.of(raw)
        if row["server"] is None:
            raise ApiError("volume_not_attached", "volume is not attached to a server")
        server = self.account.get("servers", row["server"])
        self.refuse_locked(row, server)

        def work() -> None:
            self.account.machines.detach(row["id"], server["id"])

        also = (("server", server["id"]),)
        effect = lambda: row.update(server=None)  # noqa: E731
        return self.acted("detach_volume", row, also, work=work, effect=effect, holds=[row, server])

    def do_resize(self, row: Row, raw: Row) -> Row:
        body = bodies.VolumeResize.of(raw)
        if body.size <= row["size"]:
            raise invalid("size", f"must be larger than the current {row['size']} GB")
        self.refuse_locked(row)

        def work() -> None:
            self.account.machines.resize_volume(row["id"], body.size)

        return self.acted("resize_volume", row, work=work, effect=lambda: row.update(size=body.size), holds=[row])
