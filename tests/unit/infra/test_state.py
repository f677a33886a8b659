"""Test the functions that read and edit Pulumi state, for example to remove resources that no longer exist."""

from __future__ import annotations

from typing import Any

from infra.engine.state_edits import (
    built_images,
    changed_unnoticed,
    pulled_digests,
    recorded_ids,
    recorded_server,
    still_there,
    touched,
    unprotected,
    with_present_names,
    without,
)
from infra.operations.deploy import replaced_images

SERVER, VOLUME, DAEMON, ATTACHED, BOX = "urn:server", "urn:volume", "urn:docker", "urn:attachment", "urn:container"


def _state() -> dict[str, Any]:
    return {
        "pending_operations": [{"type": "creating"}],
        "resources": [
            {"urn": VOLUME, "type": "hcloud:index/volume:Volume", "id": "7", "protect": True},
            {"urn": SERVER, "type": "hcloud:index/server:Server", "id": "5", "dependencies": [VOLUME]},
            {
                "urn": ATTACHED,
                "type": "hcloud:index/volumeAttachment:VolumeAttachment",
                "id": "7",
                "dependencies": [SERVER, VOLUME],
            },
            {"urn": DAEMON, "type": "pulumi:providers:docker", "deletedWith": SERVER},
            {"urn": BOX, "type": "docker:index/container:Container", "provider": f"{DAEMON}::some-id"},
        ],
    }


def test_removing_the_server_removes_the_resources_on_the_server() -> None:
    assert recorded_server(_state()) == "5"
    remaining = without(_state(), {"server"})
    assert [item["urn"] for item in remaining["resources"]] == [VOLUME]
    assert remaining["pending_operations"] == []
    assert recorded_server(remaining) is None


def test_removing_the_volume_keeps_the_server() -> None:
    (remaining,) = [item for item in without(_state(), {"volume"})["resources"] if item["type"].startswith("hcloud")]
    assert (remaining["urn"], remaining["dependencies"]) == (SERVER, [])


def test_empty_state_has_no_server_and_the_removal_of_a_server_leaves_it_empty() -> None:
    assert recorded_server({}) is None
    assert without({}, {"server"})["resources"] == []


def test_protection_is_removed_from_every_resource() -> None:
    assert not any(item["protect"] for item in unprotected(_state())["resources"])


def test_resources_whose_recorded_values_differ_from_the_account_are_listed() -> None:
    record = {
        "resources": [
            {"urn": SERVER, "type": "hcloud:index/server:Server", "id": "5", "outputs": {"serverType": "cpx22"}},
            {"urn": VOLUME, "type": "hcloud:index/volume:Volume", "id": "7", "outputs": {"size": 10}},
        ]
    }
    server, volume = {"serverType": "cpx22"}, {"size": 10}
    assert changed_unnoticed(record, {"server": server, "volume": volume}) == []
    assert changed_unnoticed(record, {"server": {"serverType": "cpx32"}, "volume": volume}) == [SERVER]
    assert changed_unnoticed(record, {"server": server, "volume": {"size": 12}}) == [VOLUME]
    assert changed_unnoticed(record, {"server": server | {"deleteProtection": True}}) == [SERVER]
    assert changed_unnoticed(record, {"server": server | {"deleteProtection": False, "firewallIds": []}}) == []
    assert changed_unnoticed(record, {}) == []
    assert changed_unnoticed({}, {"server": server}) == []


def test_comparison_of_firewall_rules_ignores_order_and_empty_values() -> None:
    ssh = {"direction": "in", "protocol": "tcp", "port": "22", "sourceIps": ["10.0.0.0/8", "::/0"]}
    web = {"direction": "in", "protocol": "tcp", "port": "80", "sourceIps": ["::/0"]}
    item = {"urn": "urn:wall", "type": "hcloud:index/firewall:Firewall", "id": "3", "outputs": {"rules": [ssh, web]}}
    real = {**ssh, "sourceIps": ["::/0", "10.0.0.0/8"], "description": None, "destinationIps": []}
    assert changed_unnoticed({"resources": [item]}, {"firewall": {"rules": [web, real]}}) == []
    wide = {**ssh, "sourceIps": ["::/0"]}
    assert changed_unnoticed({"resources": [item]}, {"firewall": {"rules": [web, wide]}}) == ["urn:wall"]
    assert changed_unnoticed({"resources": [item]}, {"firewall": {"rules": [web]}}) == ["urn:wall"]


def test_cloud_resources_of_failed_or_interrupted_operations_are_listed_but_containers_are_not() -> None:
    record = _state()
    record["resources"][1]["initErrors"] = ["1 error occurred"]
    record["resources"][4]["initErrors"] = ["a container, which the account does not hold"]
    record["pending_operations"] = [{"type": "updating", "resource": {"urn": VOLUME}}, {"type": "creating"}]
    assert touched(record) == [VOLUME, SERVER]
    assert touched({}) == []


def test_pending_replacement_is_cleared_for_cloud_resources_that_still_exist() -> None:
    record = _state()
    for item in record["resources"]:
        item["pendingReplacement"] = True
    healed = still_there(record, {"volume_attachment"})
    waiting = [item["urn"] for item in healed["resources"] if item.get("pendingReplacement")]
    assert waiting == [ATTACHED, DAEMON, BOX]
    assert still_there(healed, {"volume_attachment"}) is healed


def test_recorded_id_of_a_server_is_not_the_id_of_a_replaced_server_that_is_still_to_be_deleted() -> None:
    record = _state()
    record["resources"].append({**record["resources"][1], "id": "4", "delete": True})
    assert recorded_ids(record)["server"] == "5"


def test_removing_the_volume_attachment_keeps_the_containers() -> None:
    record = _state()
    record["resources"][3]["dependencies"] = [ATTACHED]
    remaining = without(record, {"volume_attachment"})
    assert [item["urn"] for item in remaining["resources"]] == [VOLUME, SERVER, DAEMON, BOX]
    assert remaining["resources"][2]["dependencies"] == []


def test_built_images_do_not_include_pulled_images() -> None:
    kind = "docker:index/remoteImage:RemoteImage"
    names = ("fds/pipeline:1", "postgres:15", "fdsomething/else:1")
    record = {"resources": [{"urn": name, "type": kind, "inputs": {"name": name}} for name in names]}
    assert built_images(record) == {"fds/pipeline:1"}
    assert built_images({}) == set()


def test_id_of_a_dns_record_consists_of_its_zone_its_name_and_its_type() -> None:
    outputs = {"zone": "example.test", "name": "data", "type": "A"}
    record = {
        "resources": [{"urn": "urn:a", "type": "hcloud:index/zoneRrset:ZoneRrset", "id": "x", "outputs": outputs}]
    }
    assert recorded_ids(record) == {"record example.test/data/A": "example.test/data/A"}


def test_removing_the_firewall_removes_references_to_the_firewall() -> None:
    firewall = {"urn": "urn:firewall", "type": "hcloud:index/firewall:Firewall", "id": "3"}
    references = {"dependencies": ["urn:firewall", VOLUME], "propertyDependencies": {"firewallIds": ["urn:firewall"]}}
    server = {"urn": SERVER, "type": "hcloud:index/server:Server", "id": "5", **references}
    (remaining,) = without({"resources": [firewall, server]}, {"firewall"})["resources"]
    assert (remaining["urn"], remaining["dependencies"], remaining["propertyDependencies"]) == (
        SERVER,
        [VOLUME],
        {"firewallIds": []},
    )


def test_changed_digest_of_an_image_without_a_pinned_digest_is_reported() -> None:
    def record(digest: str) -> dict[str, Any]:
        outputs = {"name": "redis:7", "repoDigest": f"redis@sha256:{digest}" if digest else ""}
        return {"resources": [{"urn": "urn:i", "type": "docker:index/remoteImage:RemoteImage", "outputs": outputs}]}

    first, second = pulled_digests(record("aa")), pulled_digests(record("bb"))
    assert first == {"redis:7": "sha256:aa"}
    assert replaced_images(first, first) == replaced_images({}, second) == []
    assert replaced_images(first, second) == [
        "image redis:7 is not the one of the last deployment: sha256:aa became sha256:bb"
    ]
    pinned = record("bb")
    pinned["resources"][0]["outputs"]["name"] = "redis:7@sha256:aa"
    assert (
        replaced_images(first, pulled_digests(pinned)) == []
    ), "the provider may report a digest other than the pinned one"
    assert pulled_digests(record("")) == {}, "an image built on the host has no digest"


def test_former_urn_of_a_resource_is_returned_together_with_its_present_urn() -> None:
    former, present = "urn:pulumi:prod::p::a$b::firewall", "urn:pulumi:prod::p::a$b::prod-firewall"
    assert with_present_names([former], "prod") == [former, present]
    assert with_present_names([present], "prod") == [present]
