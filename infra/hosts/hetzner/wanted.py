"""How the account must look after a deployment, by the settings alone: the engine's record is not asked."""

from __future__ import annotations

from typing import Any

from infra.hosts.hetzner.account import Account
from infra.settings import Settings
from infra.state import comparable

ANYWHERE = ["0.0.0.0/0", "::/0"]


def rules(settings: Settings) -> list[dict[str, Any]]:
    """The rules of the firewall, by the provider's names."""
    sources = {"22": list(settings.ssh_from) or ANYWHERE, "80": ANYWHERE, "443": ANYWHERE}
    return [
        {"direction": "in", "protocol": "tcp", "port": port, "sourceIps": allowed} for port, allowed in sources.items()
    ]


def ssh_rule(settings: Settings) -> str:
    """What may keep somebody from the server's port 22, in a few words; empty when nothing does."""
    if not settings.ssh_from:
        return ""
    return f"the firewall lets SSH in from {', '.join(settings.ssh_from)} alone, which sshFrom says"


def rules_differ(settings: Settings, account: Account) -> bool:
    """Whether the firewall of the account has other rules than it should have; False where there is none."""
    found = account.facts.get("firewall")
    return found is not None and comparable(found["rules"]) != comparable(rules(settings))


def differences(settings: Settings, account: Account) -> dict[str, str]:
    """What the account holds otherwise than it should, in words, by kind."""
    found = {kind: "is missing" for kind in ("firewall", "volume", "subnet", "server") if kind not in account.ids}
    if rules_differ(settings, account):
        found["firewall"] = "has other rules"
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
