"""Copy files into a container before it starts."""

from __future__ import annotations

import base64
import binascii
import grp
import io
import pwd
import tarfile
import time
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from fds_offline.plugins.resources import PluginError, State


def upload(client: Any, resource_id: str, uploads: Iterable[State]) -> None:
    """Copy files into the container; as in the official provider, this fails if the container's `/` is read-only.

    Raises:
        PluginError: an upload does not have exactly one source, or its source cannot be read, or its owner or group is
            unknown.
    """
    files = list(uploads)
    if not files:
        return
    archive = io.BytesIO()
    with tarfile.open(fileobj=archive, mode="w") as tar:
        for each in files:
            content = _content(each)
            entry = tarfile.TarInfo(each["file"])
            entry.size, entry.mode, entry.mtime = len(content), _mode(each), int(time.time())
            entry.uid = _number(each.get("owner"), lambda name: pwd.getpwnam(name).pw_uid)
            entry.gid = _number(each.get("group"), lambda name: grp.getgrnam(name).gr_gid)
            tar.addfile(entry, io.BytesIO(content))
    client.put_archive(resource_id, "/", archive.getvalue())


def _content(upload: State) -> bytes:
    given = [key for key in ("content", "contentBase64", "source") if upload.get(key)]
    if len(given) != 1:
        raise PluginError(f"upload {upload['file']}: exactly one of content, contentBase64 and source must be set")
    try:
        if given == ["content"]:
            return str(upload["content"]).encode()
        if given == ["contentBase64"]:
            return base64.b64decode(upload["contentBase64"], validate=True)
        return Path(upload["source"]).read_bytes()
    except (OSError, binascii.Error) as error:
        raise PluginError(f"upload {upload['file']}: {error}") from error


def _mode(upload: State) -> int:
    if upload.get("permissions"):
        return int(upload["permissions"], 8)
    return 0o744 if upload["executable"] else 0o644


def _number(name: str | None, look_up: Callable[[str], int]) -> int:
    """Return the ID of a user or group: a numeric `name` itself, else the ID of the name on this machine; 0 if empty.

    The official provider does the same.
    """
    if not name:
        return 0
    if name.isdigit():
        return int(name)
    try:
        return look_up(name)
    except KeyError:
        raise PluginError(f"there is no user or group '{name}' on this machine") from None
