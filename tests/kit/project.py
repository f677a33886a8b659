"""Create a separate project for a test: a copy of the project file, a stack file, and its own state."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from stack_runtime import docker_owner
from stack_runtime.docker_host import local_docker

ROOT = Path(__file__).resolve().parents[2]
SAMPLE = ROOT / "data_stack" / "samples" / "transactions.csv"
"""CSV file of the demo."""
OTHERS = ("PULUMI_BACKEND_URL", "PULUMI_CONFIG_PASSPHRASE", "PULUMI_CONFIG_PASSPHRASE_FILE", "FDS_PROJECT_DIR")
"""Environment variables with which a shell may select the state and passphrase of another project."""


ON_A_SERVER = {"host": "hetzner", "profiles": ["lean"], "fxRate": "1.1637", "fxDate": "2026-11-20"}
"""Settings of a stack on a server; the prices come from the simulated account."""


@dataclass
class Project:
    """One project folder with one stack.

    Args:
        folder: an empty folder.
        stack: name of the stack, which must differ from the name of every stack in use on this machine.
        settings: settings for the stack file, in camelCase.
        environment: environment variables that are added for every command.
        sources: whether to copy the source code too, so that a test may change it.
    """

    folder: Path
    stack: str
    settings: Mapping[str, Any]
    environment: dict[str, str] = field(default_factory=dict)
    sources: bool = False

    def __post_init__(self) -> None:
        (self.folder / "Pulumi.yaml").write_text((ROOT / "Pulumi.yaml").read_text())
        if self.sources:
            self._copy_sources()
        else:
            (self.folder / "infra").symlink_to(ROOT / "infra")
        (self.folder / ".fds").mkdir()
        (self.folder / ".fds" / "plugins").symlink_to(
            ROOT / ".fds" / "plugins"
        )  # `fds setup` created the plugins in the repository
        self.configure(self.settings)

    def _copy_sources(self) -> None:
        """Copy the sources of commands and images; the copy still runs the policy pack of the repository."""
        for name in ("agents", "data_stack", "fds", "infra", "stack_runtime"):
            ignored = shutil.ignore_patterns(".meltano", "target", "logs")
            shutil.copytree(ROOT / name, self.folder / name, ignore=ignored)
        for name in ("pyproject.toml", "uv.lock", ".dockerignore"):
            shutil.copy(ROOT / name, self.folder / name)
        deploy = self.folder / "infra" / "engine" / "stack_operations.py"
        text, here = deploy.read_text(), 'Path(__file__).resolve().parents[1] / "policy"'
        assert here in text
        deploy.write_text(text.replace(here, f'Path("{ROOT / "infra" / "policy"}")'))

    @property
    def stack_file(self) -> Path:
        return self.folder / f"Pulumi.{self.stack}.yaml"

    def configure(self, settings: Mapping[str, Any]) -> None:
        """Set these settings in the stack file and keep the other settings."""
        document = yaml.safe_load(self.stack_file.read_text()) if self.stack_file.exists() else {"config": {}}
        document["config"] |= {f"freelancer-data-stack:{key}": value for key, value in settings.items()}
        self.stack_file.write_text(yaml.safe_dump(document))

    def take_secrets(self) -> None:
        """Store secrets that each test process generates only once, because generating a secret takes a second."""
        passphrase, salt, secrets = _generated()
        (self.folder / ".fds" / "passphrase").write_text(passphrase)
        self.configure({"secrets": secrets})
        self.stack_file.write_text(f"encryptionsalt: {salt}\n" + self.stack_file.read_text())

    def variables(self, **more: str) -> dict[str, str]:
        """Return the environment variables of a command, without variables that select another project's state."""
        own = {name: value for name, value in os.environ.items() if name not in OTHERS}
        return {**own, **self.environment, **more}

    def run(self, *words: str, timeout: float = 900, **environment: str) -> subprocess.CompletedProcess[str]:
        """Run a program in the project's folder, and return the result, even of a failed program."""
        return subprocess.run(
            words,
            cwd=self.folder,
            env=self.variables(**environment),
            capture_output=True,
            text=True,
            timeout=timeout,
        )

    def engine(self, *words: str) -> subprocess.CompletedProcess[str]:
        """Run the command `pulumi` on the repository's program, with the stack and the state of this project."""
        return self.run("pulumi", "--cwd", str(ROOT), *words, "--stack", self.stack, "--config-file",
                        str(self.stack_file), **self.state_variables())  # fmt: skip

    def make_stack(self) -> None:
        """Create the empty stack in the project's state, as the first `fds up` does at its start."""
        own = self.folder / ".fds"
        (own / "state").mkdir(exist_ok=True)
        if not (own / "passphrase").exists():
            (own / "passphrase").write_text("a passphrase")
        done = self.run("pulumi", "stack", "init", self.stack, "--no-select", **self.state_variables())
        assert done.returncode == 0, done.stderr

    def generate_secrets(self) -> None:
        """Create the stack and its missing secrets, as the first `fds up` does at its start."""
        program = (
            "import sys; from pathlib import Path\n"
            "from infra.engine.stack_operations import StackOperations; from infra.engine.progress import Progress\n"
            "StackOperations(Path.cwd(), sys.argv[1], Progress(None)).generate_secrets()"
        )
        done = self.run(sys.executable, "-c", program, self.stack)
        assert done.returncode == 0, done.stderr

    def state_variables(self) -> dict[str, str]:
        """Return the environment variables with which the command `pulumi` finds the state of this project."""
        from infra.engine.environment import search_path

        own = self.folder / ".fds"
        return {
            "PATH": search_path(self.folder),
            "PULUMI_BACKEND_URL": f"file://{own / 'state'}",
            "PULUMI_CONFIG_PASSPHRASE_FILE": str(own / "passphrase"),
            "FDS_PROJECT_DIR": str(self.folder),
        }

    def files(self) -> dict[str, bytes]:
        """Return the content of all files by path, to detect writes of a command; paths of folders end with a slash."""
        found: dict[str, bytes] = {}
        for path in sorted(self.folder.rglob("*")):
            if not path.is_symlink():
                name = str(path.relative_to(self.folder))
                found |= {f"{name}/": b""} if path.is_dir() else {name: path.read_bytes()}
        return found

    def fds(self, verb: str, *words: str, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run a command of `fds` on this stack, as a user does."""
        return self.run(sys.executable, "-m", "fds.main", verb, "--stack", self.stack, *words, **options)

    def clear(self) -> None:
        """Remove the local stack with its data, even if a killed test created the stack from another project folder."""
        owner = docker_owner.owner(local_docker(), self.stack)
        if owner is not None:
            down = self.fds("down", "--volumes", "--take-over", owner or self.stack)
            assert down.returncode == 0, down.stderr

    def json(self, verb: str, *words: str, **options: Any) -> Any:
        """Run a command of `fds` that must succeed, and return its JSON output."""
        result = self.fds(verb, "--json", *words, **options)
        assert result.returncode == 0, result.stdout + result.stderr
        return json.loads(result.stdout)


@cache
def _generated() -> tuple[str, str, dict[str, Any]]:
    """Return a passphrase, its salt, and the encrypted secrets of a stack with the settings `ON_A_SERVER`."""
    with tempfile.TemporaryDirectory() as folder:
        seed = Project(Path(folder), "seed", ON_A_SERVER)
        seed.generate_secrets()
        document = yaml.safe_load(seed.stack_file.read_text())
        secrets = dict(document["config"]["freelancer-data-stack:secrets"])
        return (seed.folder / ".fds" / "passphrase").read_text(), document["encryptionsalt"], secrets
