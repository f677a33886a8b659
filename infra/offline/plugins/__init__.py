"""Stand-ins for Pulumi plugins, used only where the official ones cannot be downloaded.

The engine looks for a plugin on PATH before it looks into its own plugin folder, so a stand-in that lies on PATH
would win over an installed official plugin. Hence launchers are written only for those that `official` does not find,
into a folder that the caller puts last on PATH.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Iterable
from pathlib import Path

from infra.engine.environment import engine_home

MODULES = {
    "pulumi-resource-docker": "infra.offline.plugins.docker",
    "pulumi-resource-hcloud": "infra.offline.plugins.hcloud",
    "pulumi-language-python": "infra.offline.plugins.language",
}
"""Each plugin's name on PATH, and the module that plays it."""

MARK = "# offline stand-in"


def official(name: str, version: str | None = None) -> Path | None:
    """Where the official plugin `name` (such as `pulumi-resource-docker`) is installed, or None.

    Looked for on PATH, beside the engine, and in the engine's own plugin folder; launchers of ours do not count.

    Args:
        version: what the programs ask for; the engine takes no other from its folder, but any that lies on PATH.
    """
    folders = [Path(folder) for folder in os.get_exec_path() if folder]
    engine = shutil.which("pulumi")
    if engine is not None:
        folders.append(Path(engine).resolve().parent)
    for folder in folders:
        found = folder / name
        if os.access(found, os.X_OK) and found.is_file() and not _ours(found):
            return found
    return _in_plugin_folder(name, version)


def _ours(path: Path) -> bool:
    with path.open("rb") as file:
        return MARK.encode() in file.read(200)


def _in_plugin_folder(name: str, version: str | None) -> Path | None:
    stem = re.escape(name.removeprefix("pulumi-"))
    wanted = re.escape(version) if version else r"\d.*"
    for folder in sorted((engine_home() / "plugins").glob("*"), reverse=True):
        partial = folder.with_name(f"{folder.name}.partial").exists()  # its download was broken off
        if re.fullmatch(f"{stem}-v{wanted}", folder.name) and (folder / name).is_file() and not partial:
            return folder / name
    return None


def launchers(folder: Path) -> set[str]:
    """The plugins for which `folder` holds a launcher of ours."""
    return {path.name for path in folder.glob("pulumi-*") if path.is_file() and _ours(path)}


def install(target: Path, only: Iterable[str]) -> list[Path]:
    """Write launchers for the plugins named in `only` into `target`, and remove those of ours that are not named.

    Returns:
        The launchers, in the order of `only`.
    """
    wanted = list(only)
    target.mkdir(parents=True, exist_ok=True)
    for name in launchers(target) - set(wanted):
        (target / name).unlink()
    return [_write(target / name, MODULES[name]) for name in wanted]


def _write(path: Path, module: str) -> Path:
    """One launcher. `-P` keeps the folder that the engine starts it in out of Python's search path."""
    text = f'#!/bin/sh\n{MARK}\nexec {shlex.quote(sys.executable)} -P -m {module} "$@"\n'
    draft = path.with_name(path.name + ".new")
    draft.write_text(text, encoding="utf-8")
    draft.chmod(0o755)
    draft.replace(path)
    return path
