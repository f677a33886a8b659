"""Compare the Hetzner account directly with the settings; the Pulumi state, which may be wrong, is not used."""

from __future__ import annotations

from typing import Any

from infra.engine.state_edits import comparable
from infra.hosts.hetzner.account import Account
from infra.settings import Settings

ANYWHERE = ["0.0.0.0/0", "::/0"]


def rules(settings: Settings) -> list[dict[str, Any]]:
    """Return the firewall rules for the settings; the keys are the names that Pulumi's provider uses."""
    sources = {"22": list(settings.ssh_from) or ANYWHERE, "80": ANYWHERE, "443": ANYWHERE}
    return [
        {"direction": "in", "protocol": "tcp", "port": port, "sourceIps": allowed} for port, allowed in sources.items()
    ]


def ssh_rule(settings: Settings) -> str:
    """Return a hint for a failed SSH connection: the networks that may reach port 22; empty if all networks may."""
    if not settings.ssh_from:
        return ""
    return f"the firewall allows SSH only from {', '.join(settings.ssh_from)} (setting sshFrom)"


def rules_differ(settings: Settings, account: Account) -> bool:
    """Return whether the account's firewall rules differ from the settings; False when there is no firewall."""
    found = account.facts.get("firewall")
    return found is not None and comparable(found["rules"]) != comparable(rules(settings))


def differences(settings: Settings, account: Account) -> dict[str, str]:
    """Return how the account differs from the settings: a text for each kind of resource that differs."""
    found = {kind: "is missing" for kind in ("firewall", "volume", "subnet", "server") if kind not in account.ids}
    if rules_differ(settings, account):
        found["firewall"] = "has other rules than the settings"
    if "server" not in account.ids:
        return found
    ties = {"server_network": "is missing", "volume_attachment": "is missing"}
    found |= {kind: text for kind, text in ties.items() if kind not in account.ids}
    found |= _unprotected(account)
    server = account.facts["server"]
    if "firewall" in account.ids and server["firewallIds"] != [int(account.ids["firewall"])]:
        found["server"] = "is not behind its firewall" if not server["firewallIds"] else "is behind other firewalls"
    if server["backups"] != settings.backups:
        found.setdefault("server", f"has backups {'off' if settings.backups else 'on'}")
    return found


def _unprotected(account: Account) -> dict[str, str]:
    facts = {kind: account.facts[kind] for kind in ("server", "volume") if kind in account.ids}
    return {
        kind: "is not protected"
        for kind, known in facts.items()
        if not all(value for name, value in known.items() if name.endswith("Protection"))
    }
