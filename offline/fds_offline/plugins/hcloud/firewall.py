"""Implement `hcloud:index/firewall:Firewall` and `FirewallAttachment` for the offline stand-in."""

from __future__ import annotations

from typing import Any

from hcloud import APIException

from fds_offline.plugins.fields import changes
from fds_offline.plugins.hcloud.cloud import Body, Cloud, given, number, recorded
from fds_offline.plugins.hcloud.fields import FIREWALL, networks
from fds_offline.plugins.resources import CrashError, PluginError, State

Target = tuple[str, str]
"""A target of a firewall: `server` with the server's ID, or `label_selector` with the text of the selector."""


class Firewall:
    """A firewall with its rules and the servers that it applies to, which are given by ID or by label selector."""

    def create(self, cloud: Cloud, inputs: State) -> tuple[str, State]:
        """Create the firewall and apply it to its targets."""
        body = given(inputs, name="name", labels="labels")
        body["rules"] = [_rule(each) for each in inputs.get("rules", ())]
        body["apply_to"] = [_resource(each) for each in _targets(inputs.get("applyTos"))]
        answer = cloud.request("POST", "/firewalls", body)
        resource_id = str(answer["firewall"]["id"])
        cloud.settle(answer)  # if this fails, the firewall is not recorded, as in the official provider
        with recorded(resource_id, inputs):
            return resource_id, self.read(cloud, resource_id, inputs) or inputs

    def read(self, cloud: Cloud, resource_id: str, state: State) -> State | None:
        """Return the state that the API reports; None if the resource is gone."""
        found = cloud.get(f"/firewalls/{resource_id}", "firewall") if number(resource_id) else None
        return found and {
            "name": found["name"],
            "labels": found["labels"],
            "rules": [_from_rule(each) for each in found["rules"]],
            "applyTos": [_from_target(each) for each in sorted(_applied(found))],
        }

    def update(self, cloud: Cloud, resource_id: str, state: State, inputs: State) -> State:
        """Change the firewall; every input changes in place."""
        changed = changes(FIREWALL, state, inputs, ())
        path = f"/firewalls/{resource_id}"
        if cloud.get(path, "firewall") is None:
            raise CrashError(f"firewall {resource_id} to change is gone")
        if changed.keys() & {"name", "labels"}:
            cloud.request("PUT", path, {"name": inputs["name"], "labels": inputs.get("labels", {})})
        if "rules" in changed:
            rules = [_rule(each) for each in inputs.get("rules", ())]
            cloud.do("POST", f"{path}/actions/set_rules", {"rules": rules})
        if "applyTos" in changed:
            _apply(cloud, resource_id, set(_targets(state.get("applyTos"))), set(_targets(inputs["applyTos"])))
        return self.read(cloud, resource_id, inputs) or inputs

    def delete(self, cloud: Cloud, resource_id: str, state: State) -> None:
        """Detach the firewall from all resources, then delete it."""
        found = cloud.get(f"/firewalls/{resource_id}", "firewall")
        if found is None:
            raise CrashError(f"firewall {resource_id} to remove is gone")
        _apply(cloud, resource_id, _applied(found), set())
        cloud.delete(f"/firewalls/{resource_id}", tries=10, again=("conflict", "resource_in_use"))


class FirewallAttachment:
    """The servers and label selectors that a firewall is applied to. The ID of this resource is the firewall's ID."""

    def create(self, cloud: Cloud, inputs: State) -> tuple[str, State]:
        """Apply the firewall to its targets."""
        resource_id = str(inputs["firewallId"])
        try:
            _apply(cloud, resource_id, set(), self._wanted(inputs))
        except APIException as error:
            if error.code != "firewall_already_applied":
                raise
        return resource_id, self.read(cloud, resource_id, inputs) or inputs

    def read(self, cloud: Cloud, resource_id: str, state: State) -> State | None:
        """Return the state that the API reports; None if the firewall is gone."""
        found = cloud.get(f"/firewalls/{resource_id}", "firewall") if number(resource_id) else None
        if found is None:
            return None
        applied = sorted(_applied(found))
        return {
            "firewallId": int(resource_id),
            "serverIds": [int(which) for kind, which in applied if kind == "server"],
            "labelSelectors": [which for kind, which in applied if kind == "label_selector"],
        }

    def update(self, cloud: Cloud, resource_id: str, state: State, inputs: State) -> State:
        """Apply the firewall to the targets in `inputs`, and remove it from all other targets."""
        found = cloud.get(f"/firewalls/{resource_id}", "firewall") or {}
        _apply(cloud, resource_id, _applied(found), self._wanted(inputs))
        return self.read(cloud, resource_id, inputs) or inputs

    def delete(self, cloud: Cloud, resource_id: str, state: State) -> None:
        """Remove the firewall from its targets."""
        _apply(cloud, resource_id, self._wanted(state), set())

    def _wanted(self, inputs: State) -> set[Target]:
        servers = {("server", str(each)) for each in inputs.get("serverIds") or ()}
        selectors = {("label_selector", each) for each in inputs.get("labelSelectors") or ()}
        if not servers | selectors:
            raise PluginError("a FirewallAttachment needs serverIds or labelSelectors")
        return servers | selectors


def _apply(cloud: Cloud, firewall: str, now: set[Target], wanted: set[Target]) -> None:
    for verb, key, targets in (
        ("remove_from_resources", "remove_from", now - wanted),
        ("apply_to_resources", "apply_to", wanted - now),
    ):
        if not targets:
            continue
        body = {key: [_resource(each) for each in sorted(targets)]}
        try:
            cloud.do("POST", f"/firewalls/{firewall}/actions/{verb}", body)
        except APIException as error:
            gone = ("firewall_resource_not_found", "firewall_already_removed", "not_found")
            if verb == "apply_to_resources" or error.code not in gone:
                raise


def _targets(inputs: Any) -> list[Target]:
    return [
        ("label_selector", each["labelSelector"]) if each.get("labelSelector") else ("server", str(each["server"]))
        for each in inputs or ()
    ]


def _applied(found: Body) -> set[Target]:
    return {
        ("server", str(each["server"]["id"])) if each["type"] == "server" else
        ("label_selector", each["label_selector"]["selector"])
        for each in found.get("applied_to", ())
    }  # fmt: skip


def _resource(target: Target) -> Body:
    kind, which = target
    return {"type": kind, kind: {"id": int(which)} if kind == "server" else {"selector": which}}


def _from_target(target: Target) -> State:
    kind, which = target
    return {"server": int(which)} if kind == "server" else {"labelSelector": which}


def _rule(rule: State) -> Body:
    body = given(rule, direction="direction", protocol="protocol", port="port", description="description")
    return body | {
        "source_ips": networks(rule.get("sourceIps", ())) or [],
        "destination_ips": networks(rule.get("destinationIps", ())) or [],
    }


def _from_rule(rule: Body) -> State:
    state = {
        "direction": rule["direction"],
        "protocol": rule["protocol"],
        "port": rule.get("port"),
        "description": rule.get("description"),
        "sourceIps": rule.get("source_ips"),
        "destinationIps": rule.get("destination_ips"),
    }
    return {key: value for key, value in state.items() if value}
