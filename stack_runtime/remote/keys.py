"""SSH keys: Ed25519, in OpenSSH's own form."""

from __future__ import annotations

# cryptography takes a tenth of a second to import, so that only who has a key at hand does


def generate() -> str:
    """A new private key in OpenSSH's PEM form."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
        .decode()
    )


def public_half(private: str) -> str:
    """The public key of a private one, as `ssh-ed25519 AAAA…` without a comment."""
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_ssh_private_key(private.encode(), password=None)
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
