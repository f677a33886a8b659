"""Find the Pulumi engine on PATH; else install the official release; else build the engine from its Go module."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from infra.engine.environment import VERSION, engine_root
from infra.prerequisites import offline
from infra.prerequisites.http_probe import answers
from infra.prerequisites.prerequisite import Installation
from stack_runtime.text import Say, last_line

INSTALLER = "https://get.pulumi.com/install.sh"
INSTALL_SECONDS = 300
_INSTALL = """
import sys
from pulumi.automation import PulumiCommand
from semver import VersionInfo
PulumiCommand.install(root=sys.argv[1], version=VersionInfo.parse(sys.argv[2]))
"""


@dataclass(frozen=True)
class Engine:
    """The program `pulumi`: any version on PATH, else the version that this project is tested with."""

    name: str = "engine"

    @cached_property
    def _own(self) -> Path:
        return engine_root() / "bin" / "pulumi"

    def find(self) -> Installation | None:
        on_path = shutil.which("pulumi")
        if on_path and Path(on_path) != self._own:
            found = _version(on_path)
            source = "on PATH" if found == VERSION else f"on PATH; this project is tested with {VERSION}"
            return Installation(found, source, on_path)
        if not os.access(self._own, os.X_OK):
            return None
        official = (self._own.parent / "pulumi-language-python").exists()
        return Installation(VERSION, "official install" if official else "built from its Go module", str(self._own))

    def get(self, say: Say) -> Installation:
        if not _install_official(say):
            offline.require("the Pulumi engine").build_engine(self._own, VERSION, say)
        found = self.find()
        assert found is not None
        return found


def _version(program: str) -> str:
    environment = {**os.environ, "PULUMI_SKIP_UPDATE_CHECK": "true"}
    said = subprocess.run([program, "version"], env=environment, capture_output=True, text=True, timeout=30)
    return said.stdout.strip().removeprefix("v")


def _install_official(say: Say) -> bool:
    """Install the engine with the Automation API, first into a temporary folder; return False if that fails.

    The installation runs in a separate process, because the API has no timeout for the download.
    """
    if not answers(INSTALLER):
        return False
    say(f"installing {VERSION}")
    root = engine_root()
    root.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=root.parent, prefix="install-") as draft:
        try:
            subprocess.run(
                [sys.executable, "-c", _INSTALL, draft, VERSION],
                check=True,
                capture_output=True,
                timeout=INSTALL_SECONDS,
            )
        except (subprocess.SubprocessError, OSError) as error:
            said = (getattr(error, "stderr", None) or b"").decode(errors="replace")
            say(f"the official install did not complete: {last_line(said, str(error))}")
            return False
        shutil.rmtree(root, ignore_errors=True)
        root.mkdir(exist_ok=True)
        os.replace(Path(draft) / "bin", root / "bin")
    return True
