"""Implement the actions of servers."""

from __future__ import annotations

import secrets
from collections.abc import Callable

from . import bodies
from .account import Row
from .collection import Collection
from .errors import ApiError, invalid, protected
from .machines import Spec
from .networks import free_address


class ServerActions(Collection):
    kind = "server"
    plural = "servers"

    def spec(self, row: Row) -> Spec:
        raise NotImplementedError

    def image(self, key: int | str, architecture: str) -> Row:
        """Return the image whose id or name is `key`, for this architecture.

        Raises:
            ApiError: `invalid_input` if there is no such image.
        """
        for image in self.account.rows["images"].values():
            by_name = image["name"] == key and image["architecture"] == architecture
            if by_name or str(image["id"]) == str(key):
                if image["architecture"] != architecture:
                    raise invalid("image", "image and server type have different architectures")
                return image
        raise invalid("image", f"image '{key}' not found")

    def _power(self, command: str, row: Row, raw: Row, status: str, work: Callable[[], None]) -> Row:
        bodies.Empty.of(raw)
        self.refuse_locked(row)
        return self.acted(command, row, work=work, effect=lambda: row.update(status=status), holds=[row])

    def do_poweron(self, row: Row, raw: Row) -> Row:
        return self._power("start_server", row, raw, "running", lambda: self.account.machines.start(row["id"]))

    def do_poweroff(self, row: Row, raw: Row) -> Row:
        return self._power("stop_server", row, raw, "off", lambda: self.account.machines.stop(row["id"], False))

    def do_shutdown(self, row: Row, raw: Row) -> Row:
        return self._power("shutdown_server", row, raw, "off", lambda: self.account.machines.stop(row["id"], True))

    def do_reboot(self, row: Row, raw: Row) -> Row:
        return self._restart("reboot_server", row, raw, graceful=True)

    def do_reset(self, row: Row, raw: Row) -> Row:
        return self._restart("reset_server", row, raw, graceful=False)

    def _restart(self, command: str, row: Row, raw: Row, graceful: bool) -> Row:
        if row["status"] != "running":
            raise ApiError("conflict", "server is not running")

        def work() -> None:
            self.account.machines.stop(row["id"], graceful)
            self.account.machines.start(row["id"])

        return self._power(command, row, raw, "running", work)

    def do_change_type(self, row: Row, raw: Row) -> Row:
        body = bodies.ChangeType.of(raw)
        catalogue = self.account.catalogue
        old = catalogue.type_in_use(row["_type"])
        new = catalogue.server_type("server_type", body.server_type)
        if new["name"] == old["name"] or new["architecture"] != old["architecture"]:
            raise ApiError("invalid_server_type", "the server type does not fit for the given server")
        if new["disk"] < row["primary_disk_size"]:
            raise ApiError("invalid_server_type", "the disk of the new server type is smaller than the server's")
        self.refuse_locked(row)
        if row["status"] != "off":
            raise ApiError("server_not_stopped", "the server must be off")
        catalogue.orderable(new, row["location"]["name"])

        def effect() -> None:
            row["_type"] = new["name"]
            row["status"] = "running"
            if body.upgrade_disk:
                row["primary_disk_size"] = new["disk"]

        def work() -> None:
            self.account.machines.resize(row["id"], new["cores"], new["memory"])
            self.account.machines.start(row["id"])  # like the real API, which starts a server after a change of type

        row["status"] = "migrating"
        return self.acted("change_server_type", row, work=work, effect=effect, holds=[row])

    def do_change_protection(self, row: Row, raw: Row) -> Row:
        body = bodies.ServerProtection.of(raw)
        changes = body.model_dump(exclude_none=True)
        wanted = row["protection"] | changes
        if wanted["delete"] != wanted["rebuild"]:
            raise invalid("rebuild", "delete and rebuild protection must be the same")
        return self.acted("change_protection", row, effect=lambda: row["protection"].update(changes))

    def do_enable_backup(self, row: Row, raw: Row) -> Row:
        bodies.Empty.of(raw)
        return self.acted("enable_backup", row, effect=lambda: row.update(backup_window="22-02"))

    def do_disable_backup(self, row: Row, raw: Row) -> Row:
        bodies.Empty.of(raw)
        return self.acted("disable_backup", row, effect=lambda: row.update(backup_window=None))

    def do_rebuild(self, row: Row, raw: Row) -> Row:
        body = bodies.Rebuild.of(raw)
        if row["protection"]["rebuild"]:
            raise protected(self.kind)
        self.refuse_locked(row)
        kind = self.account.catalogue.type_in_use(row["_type"])
        image = self.image(body.image, kind["architecture"])
        row["status"] = "rebuilding"
        row["_image"] = image["id"]
        if body.user_data is not None:
            row["_user_data"] = body.user_data

        def work() -> None:
            self.account.machines.delete(row["id"])
            self.account.machines.create(self.spec(row), True)

        answer = self.acted("rebuild_server", row, work=work, holds=[row], effect=lambda: row.update(status="running"))
        return answer | {"root_password": None if row["_keys"] else secrets.token_urlsafe(15)}

    def do_create_image(self, row: Row, raw: Row) -> Row:
        body = bodies.CreateImage.of(raw)
        kind = self.account.catalogue.type_in_use(row["_type"])
        image = self.account.add("images", {
            "type": body.type, "status": "creating", "name": None, "description": body.description or row["name"],
            "image_size": None, "disk_size": row["primary_disk_size"],
            "created_from": {"id": row["id"], "name": row["name"]},
            "bound_to": row["id"] if body.type == "backup" else None, "os_flavor": "debian", "os_version": None,
            "architecture": kind["architecture"], "rapid_deploy": False, "protection": {"delete": False},
            "deprecated": None, "deleted": None, "labels": body.labels,
        })  # fmt: skip
        effect = lambda: image.update(status="available", image_size=1.0)  # noqa: E731
        answer = self.acted("create_image", row, (("image", image["id"]),), effect=effect, holds=[row])
        return answer | {"image": super().view(image)}

    def do_change_dns_ptr(self, row: Row, raw: Row) -> Row:
        body = bodies.DnsPtr.of(raw)
        ips = self.account.rows["primary_ips"].values()
        mine = next((ip for ip in ips if ip["ip"] == body.ip and ip["assignee_id"] == row["id"]), None)
        if mine is None:
            raise invalid("ip", f"the server has no address '{body.ip}'")
        pointer = {"ip": body.ip, "dns_ptr": body.dns_ptr or ""}
        return self.acted("change_dns_ptr", row, effect=lambda: mine.update(dns_ptr=[pointer]))

    def join(self, row: Row, network: Row, ip: str | None) -> None:
        """Give the server an address in the network.

        Raises:
            ApiError: `server_already_attached`, `no_subnet_available` or `ip_not_available`.
        """
        if row["id"] in network["servers"]:
            raise ApiError("server_already_attached", "server is already attached to the network")
        taken = {
            net["ip"] for server in self.account.rows["servers"].values() for net in server["private_net"]
            if net["network"] == network["id"]
        }  # fmt: skip
        address = free_address(network, taken, ip)
        mac = "86:00:00:" + ":".join(f"{byte:02x}" for byte in secrets.token_bytes(3))
        row["private_net"].append({"network": network["id"], "ip": address, "alias_ips": [], "mac_address": mac})
        network["servers"].append(row["id"])

    def do_attach_to_network(self, row: Row, raw: Row) -> Row:
        body = bodies.AttachToNetwork.of(raw)
        network = self.account.named("networks", "network", body.network)
        self.refuse_locked(row)
        self.join(row, network, body.ip)
        return self.acted("attach_to_network", row, (("network", network["id"]),), holds=[row])

    def do_detach_from_network(self, row: Row, raw: Row) -> Row:
        network = self.account.named("networks", "network", bodies.NetworkRef.of(raw).network)
        self.refuse_locked(row)
        if row["id"] not in network["servers"]:
            raise invalid("network", "the server is not attached to it")

        def effect() -> None:
            network["servers"].remove(row["id"])
            row["private_net"] = [net for net in row["private_net"] if net["network"] != network["id"]]

        return self.acted("detach_from_network", row, (("network", network["id"]),), effect=effect, holds=[row])
