"""Create, show and delete servers; `server_actions` has the actions of servers."""

from __future__ import annotations

import secrets
from typing import Any

from . import bodies, firewalls, ips
from .account import Row
from .errors import ApiError, invalid
from .machines import Spec
from .server_actions import ServerActions

TRAFFIC = 21_990_232_555_520
"""Included traffic at European locations in bytes (20 TiB)."""


class Servers(ServerActions):
    update_body = bodies.ServerUpdate
    filters = ("name", "status")

    def view(self, row: Row) -> Row:
        account = self.account
        volumes = [v["id"] for v in account.rows["volumes"].values() if v["server"] == row["id"]]
        image = account.rows["images"].get(row["_image"])
        return super().view(row) | {
            "server_type": account.catalogue.type_in_use(row["_type"]),
            "image": super().view(image) if image else None,
            "volumes": volumes,
            "locked": row.get("_held", 0) > 0,
            "public_net": self._public_net(row),
        }

    def _public_net(self, row: Row) -> Row:
        shown: Row = {"ipv4": None, "ipv6": None, "floating_ips": []}
        for ip in self.account.rows["primary_ips"].values():
            if ip["assignee_id"] == row["id"]:
                shown[ip["type"]] = {
                    "id": ip["id"], "ip": ip["ip"], "blocked": False,
                    "dns_ptr": ip["dns_ptr"][0]["dns_ptr"] if ip["type"] == "ipv4" else [],
                }  # fmt: skip
        floating = self.account.rows["floating_ips"].values()
        shown["floating_ips"] = [ip["id"] for ip in floating if ip["server"] == row["id"]]
        applied = firewalls.of_server(self.account, row)
        shown["firewalls"] = [{"id": firewall["id"], "status": "applied"} for firewall in applied]
        return shown

    def create(self, raw: Row) -> Row:
        body = bodies.ServerCreate.of(raw)
        account = self.account
        limit = account.machines.limit
        if limit is not None and len(account.rows["servers"]) >= limit:
            raise ApiError("resource_limit_exceeded", f"server limit of {limit} exceeded")
        account.unique("servers", "name", body.name)
        kind = account.catalogue.server_type("server_type", body.server_type)
        place = self._place(body, kind)
        image = self.image(body.image, kind["architecture"])
        keys = [account.named("ssh_keys", "ssh_keys", key) for key in body.ssh_keys]
        volumes = [self._volume(identity, place) for identity in body.volumes]
        networks = [account.named("networks", "networks", identity) for identity in body.networks]
        applied = [account.named("firewalls", "firewalls", ref.firewall) for ref in body.firewalls]
        if body.automount and not volumes:
            raise invalid("automount", "needs volumes")
        account.catalogue.orderable(kind, place)
        ips.check(account, body.public_net, place)
        row = account.add("servers", self._new_row(body, kind, place, image))
        ips.give(account, row, body.public_net, place)
        for firewall in applied:
            firewall["applied_to"].append({"type": "server", "server": {"id": row["id"]}})
        for network in networks:
            self.join(row, network, None)
        row["_user_data"] = body.user_data
        row["_keys"] = tuple(key["public_key"] for key in keys)
        return self._boot(row, volumes, body)

    def _place(self, body: Any, kind: Row) -> str:
        if body.location is None:
            return self.account.catalogue.default_location(kind)
        return str(self.account.catalogue.location("location", body.location)["name"])

    def _volume(self, identity: int, place: str) -> Row:
        volume = self.account.named("volumes", "volumes", identity)
        if volume["server"] is not None:
            raise ApiError("volume_already_attached", "volume is already attached to a server")
        if volume["location"]["name"] != place:
            raise invalid("volumes", "volume and server must be at the same location")
        return volume

    def _new_row(self, body: Any, kind: Row, place: str, image: Row) -> Row:
        return {
            "name": body.name, "status": "initializing", "private_net": [], "included_traffic": TRAFFIC,
            "outgoing_traffic": None, "ingoing_traffic": None, "backup_window": None, "rescue_enabled": False,
            "iso": None, "location": self.account.catalogue.location("location", place),
            "protection": {"delete": False, "rebuild": False}, "labels": body.labels,
            "primary_disk_size": kind["disk"], "placement_group": None, "load_balancers": [],
            "_type": kind["name"], "_image": image["id"],
        }  # fmt: skip

    def _boot(self, row: Row, volumes: list[Row], body: Any) -> Row:
        account, on = self.account, [("server", row["id"])]
        for volume in volumes:
            volume["server"] = row["id"]

        def work() -> None:
            account.machines.create(self.spec(row), body.start_after_create)

        def effect() -> None:
            row["status"] = "running" if body.start_after_create else "off"

        first = account.act("create_server", on, work=work, effect=effect, holds=[row, *volumes])
        following = [
            account.act("attach_volume", [*on, ("volume", volume["id"])], holds=[row, volume], after=first)
            for volume in volumes
        ]
        if body.start_after_create:
            following.insert(0, account.act("start_server", on, holds=[row], after=first))
        password = None if row["_keys"] else secrets.token_urlsafe(15)
        return {"server": self.view(row), "action": first, "next_actions": following, "root_password": password}

    def spec(self, row: Row) -> Spec:
        """Return the description from which `Machines.create` creates the server."""
        account = self.account
        with account.lock:
            kind = account.catalogue.type_in_use(row["_type"])
            shown = self.view(row)
            return Spec(
                id=row["id"], name=row["name"], address=(shown["public_net"]["ipv4"] or {"ip": ""})["ip"],
                image=shown["image"]["name"] or "", cores=kind["cores"], memory_gb=kind["memory"],
                disk_gb=row["primary_disk_size"], user_data=row["_user_data"], ssh_keys=row["_keys"],
                rules=firewalls.rules(account, row), volumes=tuple(shown["volumes"]),
            )  # fmt: skip

    def delete(self, row: Row) -> Row:
        self.refuse_protected(row)
        self.refuse_locked(row)
        account = self.account
        row["status"] = "deleting"

        def work() -> None:
            account.machines.delete(row["id"])

        return self.acted("delete_server", row, work=work, effect=lambda: self._forget(row), holds=[row])

    def _forget(self, row: Row) -> None:
        account = self.account
        del account.rows["servers"][row["id"]]
        for volume in account.rows["volumes"].values():
            if volume["server"] == row["id"]:
                volume["server"] = None
        for network in account.rows["networks"].values():
            if row["id"] in network["servers"]:
                network["servers"].remove(row["id"])
        firewalls.forget(account, row["id"])
        ips.release(account, row["id"])
