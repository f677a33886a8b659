"""Create users' projects with the `fds init` of a wheel that is installed in its own virtualenv."""

from __future__ import annotations

import json
import subprocess
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.kit import wheel


@dataclass(frozen=True)
class UserProject:
    """A project folder, and the installed package whose commands run in the project."""

    folder: Path
    installed: wheel.Installed

    @property
    def content(self) -> Path:
        return self.folder / "data_stack"

    @property
    def local(self) -> Path:
        """Folder with the data of local runs."""
        return self.folder / ".fds" / "local"

    def fds(self, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
        return fds(self.installed, self.folder, *words, **more)

    def load(self, *words: str) -> Any:
        """Run `fds run --local`, which must succeed, and return its JSON."""
        done = self.fds("run", "--local", "--json", *words)
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(done.stdout)

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.local / "warehouse.duckdb"), read_only=True) as connection:
            return connection.execute(sql).fetchall()

    def python(self, code: str) -> str:
        """Run Python code in the folder of the project and return the output."""
        return self.installed.run("-c", code, cwd=self.folder)

    def write(self, name: str, text: str) -> None:
        """Write a file into `data_stack/`, the content of the project."""
        (self.content / name).parent.mkdir(parents=True, exist_ok=True)
        (self.content / name).write_text(text)

    def land(self, name: str, text: str) -> None:
        """Write a file into the landing folder."""
        file = self.local / "warehouse.duckdb.fds" / "landing" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)

    def files(self) -> dict[str, bytes]:
        """Return the content of each file that belongs in version control, by path."""
        ignored = {".fds", ".meltano", "dbt_packages", ".user.yml"}
        paths = (path for path in self.folder.rglob("*") if path.is_file())
        own = (path.relative_to(self.folder) for path in paths)
        return {str(path): (self.folder / path).read_bytes() for path in own if not ignored.intersection(path.parts)}


def fds(installed: wheel.Installed, folder: Path, *words: str, **more: str) -> subprocess.CompletedProcess[str]:
    """Run the installed command line in `folder`."""
    program = installed.environment / "bin" / "fds"
    return subprocess.run(
        [program, *words], cwd=folder, env=installed.variables(**more), capture_output=True, text=True
    )


def init(installed: wheel.Installed, parent: Path, name: str, *options: str) -> UserProject:
    """Create the project `name` in `parent` with `fds init`."""
    done = fds(installed, parent, "init", name, *options)
    assert done.returncode == 0 and f"cd {name}" in done.stderr, done.stderr
    return UserProject(parent / name, installed)


@pytest.fixture(scope="session")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheel.build(tmp_path_factory.mktemp("wheels"))


@pytest.fixture(scope="session")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> wheel.Installed:
    return wheel.install(built, tmp_path_factory.mktemp("installed"), "[local]")
