"""Simulate SSH keys and images."""

from __future__ import annotations

import base64
import binascii
import hashlib

from . import bodies
from .account import Row
from .collection import Collection
from .errors import ApiError, invalid

ALGORITHMS = ("ssh-ed25519", "ssh-rsa", "ecdsa-sha2-nistp256", "ecdsa-sha2-nistp384", "ecdsa-sha2-nistp521")


def fingerprint(public_key: str) -> str:
    """Return the MD5 fingerprint of an OpenSSH public key, as the API shows it.

    Raises:
        ApiError: `invalid_input` for an invalid key.
    """
    parts = public_key.split()
    try:
        blob = base64.b64decode(parts[1], validate=True)
    except (IndexError, binascii.Error):
        raise invalid("public_key", "must be a valid SSH public key") from None
    name = parts[0].encode()
    if parts[0] not in ALGORITHMS or not blob.startswith(len(name).to_bytes(4, "big") + name):
        raise invalid("public_key", "must be a valid SSH public key")
    digest = hashlib.md5(blob, usedforsecurity=False).hexdigest()
    return ":".join(digest[i : i + 2] for i in range(0, len(digest), 2))


class SshKeys(Collection):
    kind = "ssh_key"
    plural = "ssh_keys"
    filters = ("name", "fingerprint")

    def create(self, raw: Row) -> Row:
        body = bodies.SshKeyCreate.of(raw)
        row = {
            "name": body.name, "fingerprint": fingerprint(body.public_key), "public_key": body.public_key.strip(),
            "labels": body.labels,
        }  # fmt: skip
        self.account.unique(self.plural, "name", row["name"])
        self.account.unique(self.plural, "fingerprint", row["fingerprint"])
        return {"ssh_key": self.view(self.account.add(self.plural, row))}


class Images(Collection):
    kind = "image"
    plural = "images"
    filters = ("name", "type", "architecture", "status", "bound_to")
    update_body = bodies.ImageUpdate

    def update(self, row: Row, raw: Row) -> Row:
        self._refuse_system(row)
        return super().update(row, raw)

    def delete(self, row: Row) -> None:
        self._refuse_system(row)
        super().delete(row)

    def do_change_protection(self, row: Row, raw: Row) -> Row:
        self._refuse_system(row)
        return super().do_change_protection(row, raw)

    @staticmethod
    def _refuse_system(row: Row) -> None:
        if row["type"] == "system":
            raise ApiError("forbidden", "system images cannot be changed")
