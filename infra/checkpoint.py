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
    if not backend.startswith("file://"):
        return None
    path = _records(backend) / PROJECT / f"{stack}.json"
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
    if not backend.startswith("file:///") or set(backend) & set("~?#%") or ".." in Path(backend).parts:
        return False
    try:
        entries = list(_records(backend).iterdir())
        inside = [file for folder in entries if folder.is_dir() for file in folder.iterdir()]
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return not any(file.name.startswith(f"{stack}.json") for file in entries + inside)


def _records(backend: str) -> Path:
    return Path(backend.removeprefix("file://")).expanduser() / ".pulumi" / "stacks"
