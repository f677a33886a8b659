"""Define the folders and files of a pipeline, derived from a database path or from the runner's data folder."""

from __future__ import annotations

import os
import re
from dataclasses import dataclass
from pathlib import Path

from stack_runtime.errors import UsageError
from stack_runtime.pipeline.landing import NOT_UTF8, printable
from stack_runtime.source_tree import source_tree

ROOT = source_tree()
"""Root of the source files: the repository, its copy in the runner image, or the copy of an installed wheel."""

DATABASE_NAME = "warehouse.duckdb"


@dataclass(frozen=True)
class PipelinePaths:
    """The folders and files of one pipeline. `root` is private; readers use `published` and the files next to it."""

    published: Path
    root: Path
    landing: Path
    metrics: Path | None = None
    """File with the outcome of the last run, for Prometheus; None for a local pipeline."""

    @property
    def lock(self) -> Path:
        return self.root / "lock"

    @property
    def records(self) -> Path:
        return self.root / "runs.sqlite"

    @property
    def quarantine(self) -> Path:
        """Folder with one subfolder per run; each has the quarantined rows of its run as JSON Lines files."""
        return self.root / "quarantine"

    @property
    def work(self) -> Path:
        """Folder with one subfolder per run, for its private database, Meltano's state, and reports of taps and target.

        All of it can be deleted when no run is in progress.
        """
        return self.root / "work"

    @property
    def current(self) -> Path:
        """Link to the work folder of the current run.

        dbt parses the whole project again if a path in its profile changes, so the profile uses this link.
        """
        return self.root / "current"

    @property
    def dbt_target(self) -> Path:
        return self.root / "dbt"

    @property
    def parquet(self) -> Path:
        """The link to the folder with the marts as Parquet files; it is next to the published database."""
        return self.published.with_name(f"{self.published.stem}-parquet")

    @property
    def docs(self) -> Path:
        """The documentation of the models, one HTML file next to the published database."""
        return docs_of(self.published)

    @property
    def development(self) -> Path:
        """The copy of the published database that `fds dbt` works on, in a separate folder."""
        return self.root / "development" / self.published.name

    def make(self) -> None:
        """Create the folders of the pipeline.

        Raises:
            UsageError: a folder cannot be created or is not writable, or `parquet` is a folder, not a link.
        """
        try:
            for folder in (self.root, self.landing, self.quarantine, self.work, self.published.parent):
                folder.mkdir(parents=True, exist_ok=True)
        except OSError as error:
            raise UsageError(f"a folder cannot be created: {error.strerror}", where=str(error.filename)) from None
        if self.parquet.exists() and not self.parquet.is_symlink():
            raise UsageError(
                "the folder for Parquet files already exists, and no run created it",
                where=str(self.parquet),
                next_command="rename it, or choose another --database",
            )
        for folder in (self.root, self.published.parent):
            if not os.access(folder, os.W_OK):
                raise UsageError(
                    "the folder cannot be written", where=str(folder), next_command="choose another --database"
                )


def docs_of(published: Path) -> Path:
    """Return the path of the documentation of the models of a published database."""
    return published.with_name(f"{published.stem}-docs.html")


def beside(database: Path) -> PipelinePaths:
    """Return the paths of a local pipeline that publishes `database`, with private files in `<database>.fds`.

    Raises:
        UsageError: the path is not usable for a DuckDB file.
    """
    database = database.expanduser().absolute()
    # Require a file name that is an identifier, because DuckDB names a database after its file, and views contain that
    # name in their SQL.
    if not re.fullmatch(r"[A-Za-z_][A-Za-z0-9_-]{0,60}\.(duckdb|db|ddb)", database.name) or database.stem.lower() in (
        "main", "temp", "system", "memory",
    ):  # fmt: skip
        raise UsageError(
            "a database file's name begins with a letter, contains only letters, digits, - and _, and ends in .duckdb",
            where=str(database),
            next_command="fds run --local --database warehouse.duckdb",
        )
    if database.is_dir():
        raise UsageError("the database path is a folder", where=str(database), next_command="name a file in it")
    if unusable := sorted(set(str(database)) & set("#?%$*[]\n\r\0")):
        # Refuse these characters, because they are special in Meltano's variables, in globs or in URLs.
        raise UsageError(
            f"a database path cannot contain {' '.join(unusable)!r}", where=str(database), next_command="choose another"
        )
    root = database.with_name(f"{database.name}.fds")
    return PipelinePaths(published=database, root=root, landing=root / "landing")


def of_runner(data: Path) -> PipelinePaths:
    """Return the paths of a runner: the folders `landing`, `private`, `published` and `metrics` in `data`."""
    return PipelinePaths(
        published=data / "published" / DATABASE_NAME,
        root=data / "private",
        landing=data / "landing",
        metrics=data / "metrics" / "pipeline.prom",
    )


def from_environment() -> PipelinePaths:
    """Return the paths of the pipeline that the variable `FDS_DATABASE` or `FDS_DATA_DIR` names.

    Raises:
        UsageError: both variables are missing, or `FDS_DATABASE` cannot be the path of a DuckDB file.
    """
    if database := os.environ.get("FDS_DATABASE"):
        return beside(Path(database))
    folder = os.environ.get("FDS_DATA_DIR")
    if not folder:
        raise UsageError("FDS_DATA_DIR is not set", next_command="fds run --local, which needs no runner")
    return of_runner(Path(folder))


def readable(csv: Path, again: str = "fds run --csv FILE") -> Path:
    """Return `csv` as an absolute path.

    Args:
        again: the command that the error recommends if the path is not a file.

    Raises:
        UsageError: the file does not exist or cannot be read, or its path is not valid UTF-8.
    """
    csv = csv.expanduser().absolute()
    if printable(csv) != csv:
        raise UsageError(NOT_UTF8, where=str(printable(csv)), next_command=again)
    if not csv.is_file():
        what = "the CSV path is a folder" if csv.is_dir() else "no such CSV file"
        raise UsageError(what, where=str(csv), next_command=again)
    if not os.access(csv, os.R_OK):
        raise UsageError("the CSV file cannot be read", where=str(csv), next_command=f"chmod +r {csv.name}")
    return csv
