"""Debian's packages: what this machine may install, and where it gets them from."""

from __future__ import annotations

import os
import re
import shutil
from collections.abc import Iterator
from pathlib import Path

from infra.prerequisites.prerequisite import run
from stack_runtime.errors import UnreachableError

RELEASE = "bookworm"
KEYRING = "/usr/share/keyrings/debian-archive-keyring.gpg"


def can_install() -> bool:
    """True as root on Debian, Ubuntu or another system of theirs."""
    return os.geteuid() == 0 and shutil.which("apt-get") is not None


def install(*packages: str) -> None:
    """Install packages of the distribution.

    Raises:
        UnreachableError: a package is not there, or its archive does not answer.
    """
    what, follow = f"{', '.join(packages)} cannot be installed", f"apt-get update && apt-get install {packages[0]}"
    quiet = {"DEBIAN_FRONTEND": "noninteractive"}
    run(["apt-get", "update", "-q"], what=what, next_command=follow, environment=quiet)
    command = ["apt-get", "install", "-q", "-y", "--no-install-recommends", *packages]
    run(command, what=what, next_command=follow, environment=quiet)


def mirrors(folder: Path = Path("/etc/apt")) -> tuple[str, str]:
    """The addresses that this machine uses for Debian 12 and for its security updates.

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
    """The content of `debian.sources` for an image."""
    main, security = mirrors(folder)
    blocks = ((main, f"{RELEASE} {RELEASE}-updates"), (security, f"{RELEASE}-security"))
    return "\n".join(
        f"Types: deb\nURIs: {address}\nSuites: {suites}\nComponents: main\nSigned-By: {KEYRING}\n"
        for address, suites in blocks
    )


def _sources(folder: Path) -> Iterator[tuple[str, str]]:
    """`(suite, address)` of every source of plain HTTP or HTTPS, in both formats that apt reads."""
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
