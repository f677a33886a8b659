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
    path = Path(backend.removeprefix("file://")).expanduser() / ".pulumi" / "stacks" / PROJECT / f"{stack}.json"
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None
    if not isinstance(document, dict) or document.get("version") != 3:
        return None
    checkpoint = document.get("checkpoint")
    found = checkpoint.get("latest") if isinstance(checkpoint, dict) else None
    return found if isinstance(found, dict) else None
