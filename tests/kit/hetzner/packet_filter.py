"""Convert the firewall rules of the API to iptables rules for the container of a server.

The rules are in the `mangle` table, which comes before address translation. So ports that Docker publishes are
filtered too, as by a firewall in front of the server.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from ipaddress import ip_address, ip_network
from typing import Any

CLIENT = ip_address("127.0.0.1")
"""Source address of every client, because all clients run on this machine. A rule whose sources lack it is left out."""


def packet_filter(rules: Sequence[Mapping[str, Any]] | None) -> str:
    """Return the input of `iptables-restore --noflush`.

    Args:
        rules: inbound rules in the API's format, or `None` if the server has no firewall.
    """
    lines = ["*mangle", ":PREROUTING ACCEPT", ":FIREWALL -", "-F PREROUTING", "-F FIREWALL"]
    if rules is not None:
        lines += ["-A PREROUTING -i eth0 -j FIREWALL"]
        lines += ["-A FIREWALL -m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT"]
        lines += [_line(rule) for rule in rules if _reaches(rule)]
        lines += ["-A FIREWALL -j DROP"]
    return "\n".join([*lines, "COMMIT", ""])


def _reaches(rule: Mapping[str, Any]) -> bool:
    return any(CLIENT in ip_network(source) for source in rule["source_ips"])


def _line(rule: Mapping[str, Any]) -> str:
    protocol, port = rule["protocol"], rule["port"]
    to = "" if port in (None, "any") else f" --dport {port.replace('-', ':')}"
    return f"-A FIREWALL -p {protocol}{to} -j ACCEPT"
