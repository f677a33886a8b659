"""Read the Debian mirrors of this machine from apt's configuration."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from stack_runtime.errors import UnreachableError

RELEASE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def mirrors(folder: Path = Path("/etc/apt")) -> tuple[str, str]:
    """Return the addresses that this machine uses for Debian 12 and for its security updates.

    Raises:
        UnreachableError: apt is not configured for Debian 12.
    """
    addresses = dict(_sources(folder))
    if RELEASE not in addresses:
        raise UnreachableError(
            f"apt has no source of Debian {RELEASE} to build images from",
            where=str(folder),
            next_command="fds setup where Docker can pull images, or add such a source",
        )
    return addresses[RELEASE], addresses.get(f"{RELEASE}-security", addresses[RELEASE])


def sources_file(folder: Path = Path("/etc/apt")) -> str:
    """Return the content of `debian.sources` for an image."""
    main, security = mirrors(folder)
    blocks = ((main, f"{RELEASE} {RELEASE}-updates"), (security, f"{RELEASE}-security"))
    return "\n".join(
        f"Types: deb\nURIs: {address}\nSuites: {suites}\nComponents: main\nSigned-By: {KEYRING}\n"
        for address, suites in blocks
    )


def _sources(folder: Path) -> Iterator[tuple[str, str]]:
    """Yield `(suite, address)` of each enabled source whose HTTP(S) address has no login, in either file format."""
    lists = [folder / "sources.list", *sorted(folder.glob("sources.list.d/*.list"))]
    for path in (path for path in lists if path.is_file()):
        for line in path.read_text(errors="replace").splitlines():
            match = re.match(r"deb\s+(?:\[[^]]*\]\s+)?(https?://[^\s@]+)\s+(\S+)", line)
            if match:
                yield match[2], match[1]
    for path in sorted(folder.glob("sources.list.d/*.sources")):
        for block in re.split(r"\n\s*\n", path.read_text(errors="replace")):
            fields = dict(re.findall(r"^(Types|URIs|Suites|Enabled):[ \t]*(.*)$", block, re.MULTILINE))
            if "deb" not in fields.get("Types", "").split() or fields.get("Enabled") == "no":
                continue
            address = next((word for word in fields.get("URIs", "").split() if re.match(r"https?://[^@]+$", word)), "")
            for suite in fields.get("Suites", "").split() if address else ():
                yield suite, address
