"""Compute the hashes by which approvals and tokens are compared."""

from __future__ import annotations

import hashlib
import json

from pydantic import BaseModel


def digest_of(document: BaseModel) -> str:
    """Return the SHA-256 of all fields of `document`, as 64 hexadecimal digits."""
    text = json.dumps(document.model_dump(mode="json"), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()


def hash_token(token: str) -> str:
    """Return the SHA-256 of a token; tokens have 256 random bits, so they need no slow hash."""
    return hashlib.sha256(token.encode(errors="replace")).hexdigest()
