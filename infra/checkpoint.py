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

    It never is for an address that the engine may read in another way: a relative one, one with options or escapes.
    """
    records = _records(backend)
    if not backend.startswith("file://") or not records.is_absolute() or set(backend) & set("?#%"):
        return False
    return not any(found for way in ("", "*/") for found in records.glob(f"{way}{stack}.json*"))


def _records(backend: str) -> Path:
    return Path(backend.removeprefix("file://")).expanduser() / ".pulumi" / "stacks"
