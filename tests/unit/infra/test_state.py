"""The engine's record after a server is gone: what lived on it is forgotten, what the account still holds is not."""

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


def _record() -> dict[str, Any]:
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


def test_what_lived_on_the_server_is_forgotten() -> None:
    assert recorded_server(_record()) == "5"
    left = without(_record(), {"server"})
    assert [item["urn"] for item in left["resources"]] == [VOLUME]
    assert left["pending_operations"] == []
    assert recorded_server(left) is None


def test_what_belongs_to_a_lost_volume_goes_and_the_server_stays() -> None:
    (left,) = [item for item in without(_record(), {"volume"})["resources"] if item["type"].startswith("hcloud")]
    assert (left["urn"], left["dependencies"]) == (SERVER, [])


def test_nothing_recorded_is_nothing_to_do() -> None:
    assert recorded_server({}) is None
    assert without({}, {"server"})["resources"] == []


def test_protection_comes_off() -> None:
    assert not any(item["protect"] for item in unprotected(_record())["resources"])


def test_a_changed_size_is_noticed_and_an_unchanged_one_is_not() -> None:
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


def test_rules_are_compared_without_order_and_empty_values() -> None:
    ssh = {"direction": "in", "protocol": "tcp", "port": "22", "sourceIps": ["10.0.0.0/8", "::/0"]}
    web = {"direction": "in", "protocol": "tcp", "port": "80", "sourceIps": ["::/0"]}
    item = {"urn": "urn:wall", "type": "hcloud:index/firewall:Firewall", "id": "3", "outputs": {"rules": [ssh, web]}}
    real = {**ssh, "sourceIps": ["::/0", "10.0.0.0/8"], "description": None, "destinationIps": []}
    assert changed_unnoticed({"resources": [item]}, {"firewall": {"rules": [web, real]}}) == []
    wide = {**ssh, "sourceIps": ["::/0"]}
    assert changed_unnoticed({"resources": [item]}, {"firewall": {"rules": [web, wide]}}) == ["urn:wall"]
    assert changed_unnoticed({"resources": [item]}, {"firewall": {"rules": [web]}}) == ["urn:wall"]


def test_resources_of_failed_or_killed_updates_are_listed() -> None:
    record = _record()
    record["resources"][1]["initErrors"] = ["1 error occurred"]
    record["resources"][4]["initErrors"] = ["a container, which the account does not hold"]
    record["pending_operations"] = [{"type": "updating", "resource": {"urn": VOLUME}}, {"type": "creating"}]
    assert touched(record) == [VOLUME, SERVER]
    assert touched({}) == []


def test_pending_replacement_is_cleared_if_the_resource_exists() -> None:
    record = _record()
    for item in record["resources"]:
        item["pendingReplacement"] = True
    healed = still_there(record, {"volume_attachment"})
    waiting = [item["urn"] for item in healed["resources"] if item.get("pendingReplacement")]
    assert waiting == [ATTACHED, DAEMON, BOX]
    assert still_there(healed, {"volume_attachment"}) is healed


def test_old_copy_of_a_replacement_is_not_listed() -> None:
    record = _record()
    record["resources"].append({**record["resources"][1], "id": "4", "delete": True})
    assert recorded_ids(record)["server"] == "5"


def test_lost_attachment_keeps_containers_in_the_record() -> None:
    record = _record()
    record["resources"][3]["dependencies"] = [ATTACHED]
    left = without(record, {"volume_attachment"})
    assert [item["urn"] for item in left["resources"]] == [VOLUME, SERVER, DAEMON, BOX]
    assert left["resources"][2]["dependencies"] == []


def test_only_images_that_were_built_for_the_stack_are_its_own() -> None:
    kind = "docker:index/remoteImage:RemoteImage"
    names = ("fds/pipeline:1", "postgres:15", "fdsomething/else:1")
    record = {"resources": [{"urn": name, "type": kind, "inputs": {"name": name}} for name in names]}
    assert built_images(record) == {"fds/pipeline:1"}
    assert built_images({}) == set()


def test_records_of_a_zone_are_known_by_the_id_that_adopts_them() -> None:
    outputs = {"zone": "example.test", "name": "data", "type": "A"}
    record = {
        "resources": [{"urn": "urn:a", "type": "hcloud:index/zoneRrset:ZoneRrset", "id": "x", "outputs": outputs}]
    }
    assert recorded_ids(record) == {"record example.test/data/A": "example.test/data/A"}


def test_without_its_firewall_a_server_leans_on_nothing_that_is_gone() -> None:
    firewall = {"urn": "urn:firewall", "type": "hcloud:index/firewall:Firewall", "id": "3"}
    leaning = {"dependencies": ["urn:firewall", VOLUME], "propertyDependencies": {"firewallIds": ["urn:firewall"]}}
    server = {"urn": SERVER, "type": "hcloud:index/server:Server", "id": "5", **leaning}
    (left,) = without({"resources": [firewall, server]}, {"firewall"})["resources"]
    assert (left["urn"], left["dependencies"], left["propertyDependencies"]) == (SERVER, [VOLUME], {"firewallIds": []})


def test_targets_have_their_former_and_their_present_names() -> None:
    former, present = "urn:pulumi:prod::p::a$b::firewall", "urn:pulumi:prod::p::a$b::prod-firewall"
    assert with_present_names([former], "prod") == [former, present]
    assert with_present_names([present], "prod") == [present]


def test_image_that_was_pulled_anew_under_its_name_is_reported() -> None:
    def record(digest: str) -> dict[str, Any]:
        outputs = {"name": "redis:7", "repoDigest": f"redis@sha256:{digest}" if digest else ""}
        return {"resources": [{"urn": "urn:i", "type": "docker:index/remoteImage:RemoteImage", "outputs": outputs}]}

    first, second = pulled_digests(record("aa")), pulled_digests(record("bb"))
    assert first == {"redis:7": "redis@sha256:aa"}
    assert replaced_images(first, first) == replaced_images({}, second) == []
    assert replaced_images(first, second) == [
        "image redis:7 is not the one of the last deployment: sha256:aa became sha256:bb"
    ]
    assert pulled_digests(record("")) == {}, "an image that was built on the host has none"
