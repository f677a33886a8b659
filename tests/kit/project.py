"""A project of its own for a test: a copy of the project file, a stack file, and state that nobody else uses."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]


@dataclass
class Project:
    """One project folder with one stack.

    Args:
        folder: an empty folder.
        stack: name of the stack; it must be unlike that of any stack in use on this machine.
        settings: what the stack file says, camelCase.
        environment: added to the environment of every command.
    """

    folder: Path
    stack: str
    settings: Mapping[str, Any]
    environment: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        (self.folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
        (self.folder / "infra").symlink_to(ROOT / "infra")
        (self.folder / ".fds").mkdir()
        (self.folder / ".fds" / "plugins").symlink_to(ROOT / ".fds" / "plugins")  # as `fds setup` left them
        self.configure(self.settings)

    @property
    def stack_file(self) -> Path:
        return self.folder / f"Pulumi.{self.stack}.yaml"

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Set settings in the stack file and keep the others."""
        document = yaml.safe_load(self.stack_file.read_text()) if self.stack_file.exists() else {"config": {}}
        document["config"] |= {f"freelancer-data-stack:{key}": value for key, value in settings.items()}
        self.stack_file.write_text(yaml.safe_dump(document))

    def run(self, *words: str, timeout: float = 900, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the project's folder; nothing is raised when it fails."""
        return subprocess.run(
            words,
            cwd=self.folder,
            env={**os.environ, **self.environment, **environment},
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def engine(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the engine's own command line on the repository's program, with this project's stack and state."""
        from infra.engine import environment

        return self.run("pulumi", "--cwd", str(ROOT), *words, "--stack", self.stack, "--config-file",
                        str(self.stack_file), **environment(self.folder, self.stack))  # fmt: skip

    def fds(self, verb: str, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a verb of the command line on this stack, as a user would."""
        return self.run(sys.executable, "-m", "fds.main", verb, "--stack", self.stack, *words, **options)

    def json(self, verb: str, *words: str, **options: Any) -> Any:
        """The JSON answer of a verb that must succeed."""
        result = self.fds(verb, "--json", *words, **options)
        assert result.returncode == 0, result.stdout + result.stderr
        return json.loads(result.stdout)
