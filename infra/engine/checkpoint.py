"""The engine's record of a stack, read where a file backend keeps it: half a second sooner than the engine tells it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from stack_runtime.paths import PROJECT


def read(backend: str, stack: str) -> dict[str, Any] | None:
    """The last deployment of `stack`, as `pulumi stack export` has it, secrets encrypted.

    Returns: None where the backend is not a folder or keeps it in another form; the engine is to be asked then.
    """
    root = folder(backend)
    if root is None:
        return None
    path = root / "stacks" / PROJECT / f"{stack}.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("version") != 3:
        return None
    checkpoint = document.get("checkpoint")
    found = checkpoint.get("latest") if isinstance(checkpoint, dict) else None
    return found if isinstance(found, dict) else None


def never_made(backend: str, stack: str) -> bool:
    """Whether it is certain that there is no stack of this name, of whatever project and in whatever form.

    It never is in a folder that cannot be looked into, nor at an address that the engine may read in another way: a
    relative one, the home by its short name, a way up, one with options or escapes.
    """
    root = folder(backend)
    if root is None or not backend.startswith("file:///") or set(backend) & set("~?#%") or ".." in root.parts:
        return False
    try:
        entries = list((root / "stacks").iterdir())
        inside = [file for entry in entries if entry.is_dir() for file in entry.iterdir()]
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return not any(file.name.startswith(f"{stack}.json") for file in entries + inside)


def folder(backend: str) -> Path | None:
    """Where a file backend keeps records and locks; None where the backend is not a folder."""
    if not backend.startswith("file://"):
        return None
    return Path(backend.removeprefix("file://")).expanduser() / ".pulumi"
