"""Test the double of the Hetzner API with the official SDK: create, change and delete resources."""

from __future__ import annotations

from decimal import Decimal

import pytest
from hcloud import APIException, Client
from hcloud.firewalls import FirewallResource, FirewallRule
from hcloud.images import Image
from hcloud.locations import Location
from hcloud.networks import NetworkSubnet
from hcloud.server_types import ServerType
from hcloud.servers import BoundServer
from hcloud.zones import ZoneRecord

from tests.integration.hetzner_kit.conftest import public_key, send
from tests.kit.hetzner import HetznerAPI

FSN1 = Location(name="fsn1")
ANY = ["0.0.0.0/0", "::/0"]


def server(client: Client, name: str = "box", **more: object) -> BoundServer:
    made = client.servers.create(
        name=name, server_type=ServerType(name="cpx22"), image=Image(name="debian-12"), location=FSN1, **more  # type: ignore[arg-type]
    )
    made.action.wait_until_finished()
    for action in made.next_actions:
        action.wait_until_finished()
    return client.servers.get_by_id(made.server.id)


def test_server_with_all_its_resources_is_created_and_deleted(api: HetznerAPI, client: Client) -> None:
    key = client.ssh_keys.create(name="key", public_key=public_key())
    firewall = client.firewalls.create(name="wall", rules=[FirewallRule("in", "tcp", ANY, port="22")]).firewall
    subnet = NetworkSubnet(type="cloud", ip_range="10.0.1.0/24", network_zone="eu-central")
    network = client.networks.create(name="net", ip_range="10.0.0.0/16", subnets=[subnet])
    disk = client.volumes.create(name="data", size=10, location=FSN1, format="ext4")
    disk.action.wait_until_finished()
    box = server(
        client, ssh_keys=[key], firewalls=[firewall], networks=[network], volumes=[disk.volume],
        labels={"stack": "prod"},
    )  # fmt: skip

    assert box.status == "running"
    assert box.public_net.ipv4.ip.startswith("127.")
    assert [net.ip for net in box.private_net] == ["10.0.1.2"]
    assert [volume.id for volume in box.volumes] == [disk.volume.id]
    assert [entry.firewall.id for entry in box.public_net.firewalls] == [firewall.id]
    assert [found.id for found in client.servers.get_all(label_selector="stack in (prod,dev),!gone")] == [box.id]
    assert client.servers.get_all(label_selector="stack!=prod") == []
    counts = {kind: n for kind, n in api.account().items() if n}
    assert counts == {
        "servers": 1, "volumes": 1, "networks": 1, "firewalls": 1, "ssh_keys": 1, "primary_ips": 2,
    }  # fmt: skip

    box.delete().wait_until_finished()
    assert client.volumes.get_by_id(disk.volume.id).server is None
    for resource in (client.volumes.get_by_id(disk.volume.id), network, firewall, key):
        resource.delete()
    assert api.account() == api.empty()


def test_running_action_locks_the_server_until_the_action_succeeds(api: HetznerAPI, client: Client) -> None:
    box = server(client)
    api.faults.add("POST", "/actions/poweroff", 1, "slow_action", seconds=0.3)
    action = box.power_off()
    assert (action.status, action.progress) == ("running", 0)
    assert client.servers.get_by_id(box.id).locked
    with pytest.raises(APIException) as refused:
        box.power_on()
    assert refused.value.code == "locked"
    action.wait_until_finished()
    assert client.actions.get_by_id(action.id).status == "success"
    assert client.servers.get_by_id(box.id).status == "off"


def test_change_of_server_type_may_grow_the_disk_but_not_shrink_it(client: Client) -> None:
    box = server(client)
    with pytest.raises(APIException) as running:
        box.change_type(ServerType(name="cpx32"), upgrade_disk=False)
    assert running.value.code == "server_not_stopped"
    box.power_off().wait_until_finished()
    box.change_type(ServerType(name="cpx32"), upgrade_disk=False).wait_until_finished()
    changed = client.servers.get_by_id(box.id)
    assert (changed.status, changed.primary_disk_size) == ("running", 80)
    box.power_off().wait_until_finished()
    box.change_type(ServerType(name="cpx22"), upgrade_disk=False).wait_until_finished()
    box.power_off().wait_until_finished()
    box.change_type(ServerType(name="cpx32"), upgrade_disk=True).wait_until_finished()
    assert client.servers.get_by_id(box.id).primary_disk_size == 160
    box.power_off().wait_until_finished()
    with pytest.raises(APIException) as shrinking:
        box.change_type(ServerType(name="cpx22"), upgrade_disk=False)
    assert shrinking.value.code == "invalid_server_type"


def test_protected_resource_cannot_be_deleted_until_unprotected(client: Client) -> None:
    box = server(client)
    disk = client.volumes.create(name="data", size=10, server=box)
    for action in (disk.action, *disk.next_actions):
        action.wait_until_finished()
    volume = client.volumes.get_by_id(disk.volume.id)
    box.change_protection(delete=True, rebuild=True).wait_until_finished()
    volume.change_protection(delete=True).wait_until_finished()
    for forbidden in (box.delete, lambda: box.rebuild(Image(name="debian-12")), volume.delete):
        with pytest.raises(APIException) as refused:
            forbidden()
        assert refused.value.code == "protected"
    volume.change_protection(delete=False).wait_until_finished()
    with pytest.raises(APIException) as attached:
        volume.delete()
    assert attached.value.code == "volume_already_attached"
    box.change_protection(delete=False, rebuild=False).wait_until_finished()
    box.delete().wait_until_finished()
    client.volumes.get_by_id(volume.id).delete()


def test_firewall_in_use_cannot_be_deleted(client: Client) -> None:
    box = server(client, labels={"role": "web"})
    made = client.firewalls.create(
        name="wall", resources=[FirewallResource(type="server", server=box)],
        rules=[FirewallRule("in", "tcp", ANY, port="80-443")],
    )  # fmt: skip
    for action in made.actions:
        action.wait_until_finished()
    with pytest.raises(APIException) as used:
        made.firewall.delete()
    assert used.value.code == "resource_in_use"
    box.delete().wait_until_finished()
    made.firewall.delete()


def test_long_list_is_returned_in_pages(api: HetznerAPI, client: Client) -> None:
    for number in range(60):
        client.ssh_keys.create(name=f"key-{number}", public_key=public_key())
    assert len({key.id for key in client.ssh_keys.get_all()}) == 60
    first = send(api, "GET", "/ssh_keys").json()
    assert len(first["ssh_keys"]) == 25
    assert first["meta"]["pagination"] == {
        "page": 1, "per_page": 25, "previous_page": None, "next_page": 2, "last_page": 3, "total_entries": 60,
    }  # fmt: skip
    assert len(send(api, "GET", "/ssh_keys?per_page=100").json()["ssh_keys"]) == 50


def test_prices_and_availability_can_be_changed_at_runtime(api: HetznerAPI, client: Client) -> None:
    def monthly() -> str:
        kinds = client.request("GET", "/pricing")["pricing"]["server_types"]
        prices = next(kind["prices"] for kind in kinds if kind["name"] == "cpx22")
        return str(next(price["price_monthly"]["net"] for price in prices if price["location"] == "fsn1"))

    before = Decimal(monthly())
    api.set_price("cpx22", "fsn1", before + 1)
    assert Decimal(monthly()) == before + 1
    api.set_available("cpx22", "fsn1", False)
    with pytest.raises(APIException) as sold_out:
        server(client)
    assert sold_out.value.code == "resource_unavailable"
    api.set_available("cpx22", "fsn1", True)
    server(client)


def test_dns_records_are_created_changed_and_deleted_with_their_zone(api: HetznerAPI, client: Client) -> None:
    zone = client.zones.create(name="example.org", mode="primary").zone
    made = client.zones.create_rrset(zone, name="www", type="A", records=[ZoneRecord(value="127.1.2.3")])
    made.action.wait_until_finished()
    client.zones.set_rrset_records(made.rrset, [ZoneRecord(value="127.1.2.4")]).wait_until_finished()
    found = client.zones.get_rrset(client.zones.get("example.org"), "www", "A")
    assert [record.value for record in found.records] == ["127.1.2.4"]
    client.zones.delete(zone).action.wait_until_finished()
    assert api.account() == api.empty()


def test_double_resolves_names_by_the_dns_records_of_their_zone(api: HetznerAPI, client: Client) -> None:
    zone = client.zones.create(name="example.org", mode="primary").zone
    for name, address in {"data": "127.1.2.3", "*.data": "127.1.2.4", "@": "127.1.2.5"}.items():
        client.zones.create_rrset(zone, name=name, type="A", records=[ZoneRecord(value=address)])
    client.zones.create_rrset(zone, name="mail.data", type="TXT", records=[ZoneRecord(value='"no address"')])
    resolved = {"data.example.org": "127.1.2.3", "a.data.example.org": "127.1.2.4", "a.b.data.example.org": "127.1.2.4",
                "example.org": "127.1.2.5", "mail.data.example.org": "", "other.example.org": "",
                "example.com": ""}  # fmt: skip
    assert {name: "".join(api.resolve(name)) for name in resolved} == resolved


def test_primary_ip_without_auto_delete_is_kept_when_the_server_is_deleted(api: HetznerAPI, client: Client) -> None:
    kept = client.primary_ips.create(name="ip", type="ipv4", location=FSN1).primary_ip
    body = {
        "name": "box", "server_type": "cpx22", "image": "debian-12", "location": "fsn1",
        "public_net": {"enable_ipv4": True, "enable_ipv6": True, "ipv4": kept.id},
    }  # fmt: skip
    assert send(api, "POST", "/servers", body).json()["server"]["public_net"]["ipv4"]["ip"] == kept.ip
    api.settle()
    client.servers.get_by_name("box").delete().wait_until_finished()
    assert [ip.id for ip in client.primary_ips.get_all()] == [kept.id]
