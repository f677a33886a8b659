"""Create SSH keys (Ed25519) in OpenSSH's format, and derive public keys from private keys."""

from __future__ import annotations

# Each function imports cryptography when it is called, because the import takes 0.1 s.


def generate() -> str:
    """Return a new private key in OpenSSH's PEM format."""
    from cryptography.hazmat.primitives import serialization
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

    return (
        Ed25519PrivateKey.generate()
        .private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.OpenSSH, serialization.NoEncryption())
        .decode()
    )


def public_half(private: str) -> str:
    """Return the public key of `private` as `ssh-ed25519 AAAA…`, without a comment."""
    from cryptography.hazmat.primitives import serialization

    key = serialization.load_ssh_private_key(private.encode(), password=None)
    return key.public_key().public_bytes(serialization.Encoding.OpenSSH, serialization.PublicFormat.OpenSSH).decode()
