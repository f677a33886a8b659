"""Build an image on the target host from a build context on this machine."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from fds_offline.plugins.resources import PluginError, State

LOG_LINES = 30
"""Number of lines of a failed build's output that the error repeats."""


def build(client: Any, name: str, options: State) -> None:
    """Build `name` from a local context, without the files that its `.dockerignore` lists.

    Raises:
        PluginError: the context is not a folder, or a step fails; the message then ends with the last lines of output.
    """
    context = Path(options["context"]).expanduser()
    if not context.is_dir():
        raise PluginError(f"image {name}: the build context {context} is not a folder")
    lines: list[str] = []
    for message in client.build(path=str(context), tag=name, decode=True, **_arguments(options)):
        lines.extend(str(message.get("stream", "")).rstrip("\n").splitlines())
        if "error" in message:
            raise PluginError("\n".join([f"image {name}: {message['error']}", *lines[-LOG_LINES:]]))
    for tag in options.get("tags", ()):
        repository, _, version = tag.rpartition(":")
        client.tag(name, repository or version, version if repository else None)


def _arguments(options: State) -> dict[str, Any]:
    return {
        "dockerfile": options["dockerfile"],
        "buildargs": options.get("buildArgs"),
        "labels": {**options.get("label", {}), **options.get("labels", {})},
        "target": options.get("target"),
        "platform": options.get("platform"),
        "network_mode": options.get("networkMode"),
        "nocache": bool(options.get("noCache")),
        "pull": bool(options.get("pullParent")),
        "rm": options["remove"],
        "forcerm": bool(options.get("forceRemove")),
        "cache_from": options.get("cacheFroms"),
        "extra_hosts": dict(each.split(":", maxsplit=1) for each in options.get("extraHosts", ())) or None,
        "shmsize": options.get("shmSize"),
    }
