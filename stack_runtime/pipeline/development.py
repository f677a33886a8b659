"""Copy the published database for the development of models, so that dbt does not change what readers see."""

from __future__ import annotations

import os
import shutil
import subprocess
import tarfile
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from stack_runtime.pipeline.dbt_packages import dbt_environment, dbt_program
from stack_runtime.pipeline.paths import DATABASE_NAME, PipelinePaths, of_runner

if TYPE_CHECKING:
    from docker import DockerClient


def copy_published(paths: PipelinePaths) -> Path:
    """Copy the database that local runs publish, unless the copy is up to date.

    Returns: the path of the copy. If no run has published data, there is no copy, and dbt creates a new database.
    """
    copy = paths.development
    copy.parent.mkdir(parents=True, exist_ok=True)
    if paths.published.is_file():
        found = paths.published.stat()
        version = f"{found.st_ino} {found.st_mtime_ns} {found.st_size}"
        if _is_old(copy, version):
            part = copy.with_name(f"{copy.name}.part")
            shutil.copyfile(paths.published, part)
            _replace(copy, part, version)
    return copy


def fetch_published(client: DockerClient, stack: str, copy: Path) -> Path:
    """Fetch the published database of `stack` into `copy`, unless the copy is up to date.

    Raises:
        UnreachableError: the runner is not running, or no data is published yet.
    """
    from docker.errors import NotFound

    from stack_runtime.docker_host import runner
    from stack_runtime.errors import UnreachableError

    copy.parent.mkdir(parents=True, exist_ok=True)
    published = of_runner(Path("/data")).published
    try:
        blocks, found = runner(client, stack).get_archive(str(published))
    except NotFound:
        raise UnreachableError("no data is published yet", next_command="fds run --csv FILE") from None
    assert found is not None  # Docker sends the file's time and size in a header of the response
    version = f"{stack} {found['mtime']} {found['size']}"
    if _is_old(copy, version):
        part, packed = copy.with_name(f"{copy.name}.part"), copy.with_name(f"{copy.name}.tar")
        with packed.open("wb") as file:
            file.writelines(blocks)
        with tarfile.open(packed) as archive:
            content = archive.extractfile(DATABASE_NAME)
            assert content is not None  # get_archive succeeded, so the archive holds the file
            with part.open("wb") as file:
                shutil.copyfileobj(content, file)
        packed.unlink()
        _replace(copy, part, version)
    return copy


def run_dbt(words: Sequence[str], database: Path) -> int:
    """Run dbt with the arguments `words` on `database`, and show its output. Returns: dbt's exit code."""
    target = database.with_name(f"{database.stem}-target")
    target.mkdir(exist_ok=True)
    return subprocess.run([dbt_program(), *words], env=dbt_environment(database, target), check=False).returncode


def _is_old(copy: Path, version: str) -> bool:
    mark = copy.with_name(f"{copy.name}.version")
    return not copy.is_file() or not mark.is_file() or mark.read_text() != version


def _replace(copy: Path, part: Path, version: str) -> None:
    mark = copy.with_name(f"{copy.name}.version")
    mark.unlink(missing_ok=True)
    copy.with_name(f"{copy.name}.wal").unlink(missing_ok=True)
    os.replace(part, copy)
    mark.write_text(version)
