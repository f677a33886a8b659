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
from stack_runtime.text import Say, last_line

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
        if any(name in DOWNLOADED for name in missing) and not _unanswered_lately():
            return None
        written = launchers.launchers(plugins_folder(self.project))
        if written != set(missing) or not all(map(self._is_current, missing)):
            return None  # so that `get` replaces the launchers: a needless one would hide an official plugin
        return self._found(missing)

    def get(self, say: Say) -> Installation:
        reason = self._download_missing(say)
        missing = self._missing()
        modules = offline.require(f"the plugin {missing[0]}", reason).plugins if missing else {}
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

    def _download_missing(self, say: Say) -> str:
        """Download the missing plugins, if the network answers.

        Returns: why a download failed; empty if none failed or none was tried.
        """
        missing = sorted(set(self._missing()) & DOWNLOADED.keys())
        if not missing or _unanswered_lately():
            return ""
        if not answers(INSTALLER):
            _remember()
            return ""
        return next(filter(None, [self._download(name, say) for name in missing]), "")

    def _download(self, name: str, say: Say) -> str:
        """Download a plugin with `pulumi plugin install`, within a time limit; Pulumi never uses a partial download.

        Returns: why the download failed; empty if it did not fail.
        """
        wanted = version(DOWNLOADED[name])
        say(f"asking for {name} {wanted}")
        environment = {**os.environ, "PATH": search_path(self.project), "PULUMI_SKIP_UPDATE_CHECK": "true"}
        command = ["pulumi", "plugin", "install", "resource", name.removeprefix("pulumi-resource-"), wanted]
        try:
            done = subprocess.run(
                command, env=environment, capture_output=True, text=True, errors="replace", timeout=DOWNLOAD_SECONDS
            )
        except subprocess.TimeoutExpired:
            reason = f"no end after {DOWNLOAD_SECONDS} s"
        except OSError as error:
            reason = str(error)
        else:
            reason = last_line(done.stderr, f"exit code {done.returncode}") if done.returncode else ""
        if reason:
            say(f"{name} cannot be downloaded: {reason}")
        return reason


def _unanswered_lately() -> bool:
    """Return whether setup can use stand-ins without asking the network for plugins.

    True if the package with stand-ins is installed and, within the last day, the network did not answer a request for
    the same versions.
    """
    try:
        is_recent = time.time() - _mark().stat().st_mtime < REMEMBERED_SECONDS
        return is_recent and _mark().read_text() == _wanted() and offline.find() is not None
    except OSError:
        return False


def _remember() -> None:
    """Store that the network did not answer when setup wanted these versions."""
    _mark().parent.mkdir(parents=True, exist_ok=True)
    _mark().write_text(_wanted())


def _wanted() -> str:
    return "\n".join(f"{name} {version(package)}" for name, package in DOWNLOADED.items())


def _mark() -> Path:
    return cache_dir() / "plugins-asked"
