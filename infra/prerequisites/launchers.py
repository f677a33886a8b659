"""Find official Pulumi plugins. For missing plugins, write launchers that start stand-ins (modules of `fds-offline`).

Pulumi looks for a plugin on PATH before it looks into its own plugin folder, so it would use a stand-in on PATH
instead of an installed official plugin. Therefore launchers are written only for plugins that `official` does not find,
into a folder that the caller puts last on PATH.
"""

from __future__ import annotations

import os
import re
import shlex
import shutil
import sys
from collections.abc import Mapping
from pathlib import Path

from infra.engine.environment import engine_home
from stack_runtime.files import write_atomically

MARK = "# offline stand-in"


def official(name: str, version: str | None = None) -> Path | None:
    """Return where the official plugin `name` (such as `pulumi-resource-docker`) is installed, or None.

    Searches PATH, the folder of the program `pulumi`, and Pulumi's plugin folder; our launchers do not count.

    Args:
        version: required version; Pulumi uses only this version from its plugin folder, but any version on PATH.
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
    newest_first = sorted((engine_home() / "plugins").glob("*"), key=_numbers, reverse=True)
    for folder in newest_first:
        partial = folder.with_name(f"{folder.name}.partial").exists()  # if so, the plugin's download was interrupted
        if re.fullmatch(f"{stem}-v{wanted}", folder.name) and (folder / name).is_file() and not partial:
            return folder / name
    return None


def _numbers(folder: Path) -> list[int]:
    """Return the numbers in a folder's name, so that version 4.10 sorts after 4.9."""
    return [int(number) for number in re.findall(r"\d+", folder.name)]


def launchers(folder: Path) -> set[str]:
    """Return the plugins for which `folder` has one of our launchers."""
    return {path.name for path in folder.glob("pulumi-*") if path.is_file() and _ours(path)}


def install(target: Path, modules: Mapping[str, str]) -> list[Path]:
    """Write launchers into `target`, and remove our launchers that are not in `modules`.

    Args:
        modules: the Python module that each launcher starts, by the plugin's name on PATH.

    Returns: the launchers, in the order of `modules`.
    """
    target.mkdir(parents=True, exist_ok=True)
    for name in launchers(target) - set(modules):
        (target / name).unlink()
    return [_write(target / name, module) for name, module in modules.items()]


def is_current(folder: Path, name: str, module: str) -> bool:
    """Return whether the launcher of `name` in `folder` starts `module` with the Python that runs now."""
    return (folder / name).read_text(encoding="utf-8") == _text(module)


def _text(module: str) -> str:
    """Return the text of a launcher. `-P` keeps its working folder, which Pulumi sets, off Python's search path."""
    return f'#!/bin/sh\n{MARK}\nexec {shlex.quote(sys.executable)} -P -m {module} "$@"\n'


def _write(path: Path, module: str) -> Path:
    write_atomically(path, _text(module), mode=0o755)
    return path
