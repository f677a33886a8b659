"""Find Pulumi's plugins: use installed official plugins; else download them; else use stand-ins of `fds-offline`."""

from __future__ import annotations

import os
import subprocess
import time
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from infra.engine.environment import engine_root, plugins_folder, search_path
from infra.prerequisites import launchers, offline
from infra.prerequisites.engine import INSTALLER
from infra.prerequisites.http_probe import answers
from infra.prerequisites.prerequisite import Installation
from stack_runtime.paths import cache_dir
from stack_runtime.text import Say

DOWNLOADED = {"pulumi-resource-docker": "pulumi-docker", "pulumi-resource-hcloud": "pulumi-hcloud"}
"""Plugins that Pulumi can download, each with the Python package whose version the plugin must have."""

NAMES = (*DOWNLOADED, "pulumi-language-python")
"""All plugins that this project's Pulumi programs need, by their names on PATH."""

DOWNLOAD_SECONDS = 120
REMEMBERED_SECONDS = 24 * 3600


@dataclass(frozen=True)
class Plugins:
    """All plugins that this project's Pulumi programs need; each is an official plugin or a stand-in."""

    project: Path
    name: str = "plugins"

    def find(self) -> Installation | None:
        missing = self._missing()
        if any(name in DOWNLOADED for name in missing) and not _asked_lately():
            return None
        written = launchers.launchers(plugins_folder(self.project))
        if written != set(missing) or not all(map(self._is_current, missing)):
            return None  # so that `get` replaces the launchers: a needless one would hide an official plugin
        return self._found(missing)

    def get(self, say: Say) -> Installation:
        if not _asked_lately():
            if answers(INSTALLER):
                for name in set(self._missing()) & DOWNLOADED.keys():
                    self._download(name, say)
            _remember()
        missing = self._missing()
        modules = offline.require(f"the plugin {missing[0]}").plugins if missing else {}
        launchers.install(plugins_folder(self.project), {name: modules[name] for name in missing})
        return self._found(missing)

    def _missing(self) -> list[str]:
        """Return the plugins for which no usable official plugin is installed."""
        return [name for name in NAMES if self._official(name) is None]

    def _official(self, name: str) -> Path | None:
        beside = engine_root() / "bin" / name
        if os.access(beside, os.X_OK):
            return beside
        return launchers.official(name, version(DOWNLOADED[name]) if name in DOWNLOADED else None)

    def _is_current(self, name: str) -> bool:
        """Return whether the launcher starts the installed stand-in with the Python that runs now."""
        replacement, folder = offline.find(), plugins_folder(self.project)
        return replacement is not None and launchers.is_current(folder, name, replacement.plugins[name])

    def _found(self, stand_ins: list[str]) -> Installation:
        if not stand_ins:
            return Installation("", "official")
        short = ", ".join(name.removeprefix("pulumi-") for name in stand_ins)
        return Installation("", f"stand-in ({short})", str(plugins_folder(self.project)))

    def _download(self, name: str, say: Say) -> None:
        """Download a plugin with `pulumi plugin install`, within a time limit; Pulumi never uses a partial download."""
        wanted = version(DOWNLOADED[name])
        say(f"asking for {name} {wanted}")
        environment = {**os.environ, "PATH": search_path(self.project), "PULUMI_SKIP_UPDATE_CHECK": "true"}
        command = ["pulumi", "plugin", "install", "resource", name.removeprefix("pulumi-resource-"), wanted]
        try:
            subprocess.run(command, env=environment, capture_output=True, timeout=DOWNLOAD_SECONDS, check=False)
        except (OSError, subprocess.TimeoutExpired):
            say(f"{name} cannot be downloaded")


def _asked_lately() -> bool:
    """Return whether setup asked the network for plugins within the last day; if so, it makes no new attempt."""
    try:
        return time.time() - _mark().stat().st_mtime < REMEMBERED_SECONDS
    except OSError:
        return False


def _remember() -> None:
    _mark().parent.mkdir(parents=True, exist_ok=True)
    _mark().touch()


def _mark() -> Path:
    return cache_dir() / "plugins-asked"
