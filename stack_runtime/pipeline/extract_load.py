"""Extract and load: Meltano in a process of its own, from CSV files into the run's private database."""

from __future__ import annotations

import ctypes
import glob
import importlib
import json
import os
import re
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import yaml

from stack_runtime.errors import CheckFailedError, StackError
from stack_runtime.pipeline import meltano_env
from stack_runtime.pipeline.disk import is_full, no_space
from stack_runtime.pipeline.model import Quarantined, Rows
from stack_runtime.pipeline.places import MELTANO_PROJECT
from stack_runtime.pipeline.server import Server

KEPT_ROWS = 1000
"""How many quarantined rows of a run its record holds; the files hold all."""
KEPT_CHARACTERS = 2000
"""How much of a quarantined row its record holds."""


@dataclass(frozen=True)
class Work:
    """The folder of one run."""

    folder: Path
    database: Path

    @property
    def state(self) -> Path:
        return self.folder / "state"

    @property
    def quarantine(self) -> Path:
        return self.folder / "quarantine"

    @property
    def tap_report(self) -> Path:
        return self.folder / "tap-report.json"

    @property
    def target_report(self) -> Path:
        return self.folder / "target-report.json"

    @property
    def log(self) -> Path:
        return self.folder / "meltano.log"


def extract_load(
    work: Work, landing: Path, csv: Path | None, system_database: Path, server: Server | None
) -> tuple[Rows, tuple[Quarantined, ...]]:
    """Load `csv` whole, or else what is new in `landing`.

    Returns: the counts, and the first of the quarantined rows.
    Raises:
        CheckFailedError: a file cannot be read, or the counts do not add up.
    """
    settings = environment(work, landing, csv, system_database, server)
    command = [str(meltano_env.MELTANO), "--log-format", "plain", "run", "--no-install", "--force"]
    if csv:
        # Whatever the state says: the counts are always those of this file. Nor does the file touch the state.
        command += ["--full-refresh", "--no-state-update"]
    with work.log.open("wb") as log:
        process = subprocess.Popen(
            [*command, "tap-csv", "target-duckdb"], cwd=MELTANO_PROJECT, env=settings, stdin=subprocess.DEVNULL,
            stdout=log, stderr=subprocess.STDOUT, start_new_session=True, preexec_fn=_die_with_parent,
        )  # fmt: skip
        try:
            importlib.import_module("dbt.cli.main")  # takes two seconds, which are free while Meltano works
            code = process.wait()
        except BaseException:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait()
            raise
    if code:
        raise _failure(work, csv)
    shutil.rmtree(work.folder / "batches", ignore_errors=True)  # loaded; the space is wanted
    return _rows(work), tuple(islice(_quarantined(work.quarantine), KEPT_ROWS))


def environment(
    work: Work, landing: Path, csv: Path | None, system_database: Path, server: Server | None
) -> dict[str, str]:
    """Everything that Meltano writes goes into the work folder, so that its project may be read-only."""
    system = work.folder / "meltano"
    for folder in (system, work.state, work.quarantine, work.folder / "batches"):
        folder.mkdir(parents=True, exist_ok=True)
    for plugins in ("extractors", "loaders"):
        (system / plugins).symlink_to(meltano_env.SYSTEM / plugins)
    paths = [_plain(csv, work)] if csv else [glob.escape(str(file)) for file in landed(landing)]
    found = {
        **os.environ,
        "MELTANO_PROJECT_ROOT": str(MELTANO_PROJECT),
        "MELTANO_ENVIRONMENT": os.environ.get("FDS_ENVIRONMENT", "dev"),
        "MELTANO_SYS_DIR_ROOT": str(system),
        "MELTANO_STATE_BACKEND_URI": f"file://{work.state}",
        "MELTANO_DATABASE_URI": f"sqlite:///{system_database}",
        "XDG_STATE_HOME": str(work.folder),
        "NO_COLOR": "1",
        "TAP_CSV_ENTITIES": json.dumps([_entity(paths)]),
        "TAP_CSV_QUARANTINE_DIR": str(work.quarantine),
        "TAP_CSV_REPORT_PATH": str(work.tap_report),
        "TAP_CSV_BATCH_CONFIG_STORAGE_ROOT": (work.folder / "batches").as_uri(),
        "TARGET_DUCKDB_PATH": str(work.database),
        "TARGET_DUCKDB_REPORT_PATH": str(work.target_report),
    }
    return found | (server.meltano_environment if server else {})


def _entity(paths: list[str]) -> dict[str, Any]:
    """The entity as Meltano's project declares it, with these files in place of its own."""
    project = yaml.safe_load((MELTANO_PROJECT / "meltano.yml").read_text())
    declared = project["plugins"]["extractors"][0]["config"]["entities"][0]
    return {key: value for key, value in declared.items() if key != "path"} | {"paths": paths}


def landed(landing: Path) -> list[Path]:
    """The CSV files of the landing folder, by name; which of them are new is the tap's to say."""
    return sorted(file for pattern in ("*.csv", "*.csv.gz") for file in landing.glob(pattern) if file.is_file())


def _plain(csv: Path, work: Work) -> str:
    """A path to `csv` in which nothing means anything to Meltano (`$NAME`) or to the tap (`*`, `?`, `[`)."""
    plain = _plain_path(csv, work)
    plain.parent.mkdir()
    plain.symlink_to(csv)
    return str(plain)


def _plain_path(csv: Path, work: Work) -> Path:
    return work.folder / "input" / re.sub(r"[^A-Za-z0-9._-]", "_", csv.name)


def _die_with_parent() -> None:
    """A killed run takes Meltano along (Linux alone can); elsewhere it ends with its last row, into a dead folder."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(1, signal.SIGKILL)


def _failure(work: Work, csv: Path | None) -> StackError:
    """The reason, from what the tap and the target said; the last error is the one that ended the run."""
    text = work.log.read_text(errors="replace")[-200_000:]
    if is_full(text):
        return no_space(work.folder)
    reason = reason_of(text.splitlines())
    if csv:
        reason = reason.replace(str(_plain_path(csv, work)), str(csv))  # as the user named it
    return CheckFailedError(f"nothing was loaded: {reason}", where="extract_load", next_command="correct it, run again")


def reason_of(lines: list[str]) -> str:
    """The last sentence that the tap or the target ended with; else the last line that speaks of an error."""
    told = [line.partition("Error: ")[2] for line in lines if "Error: " in line]
    errors = told or [line for line in lines if "error" in line.lower()] or lines or ["Meltano ended without a word"]
    return errors[-1].strip()[:500]


def _rows(work: Work) -> Rows:
    tap = _report(work.tap_report, "entities")
    target = _report(work.target_report, "streams")
    rows = Rows(
        read=sum(entity["read"] for entity in tap.values()),
        loaded=sum(stream["loaded"] for stream in target.values()),
        quarantined=sum(entity["quarantined"] for entity in tap.values()),
    )
    replaced = sum(stream["replaced"] for stream in target.values())
    if rows.read != rows.loaded + rows.quarantined + replaced:
        raise CheckFailedError(
            f"rows read {rows.read} are not rows loaded {rows.loaded} + quarantined {rows.quarantined} "
            f"+ replaced {replaced}",
            where="extract_load",
            next_command="fds run again; report it if it stays",
        )
    return rows


def _report(file: Path, key: str) -> dict[str, Any]:
    try:
        found: dict[str, Any] = json.loads(file.read_text())[key]
    except (OSError, ValueError, KeyError, TypeError):
        raise CheckFailedError("the counts of the load are missing", where=file.name, next_command="fds run") from None
    return found


def _quarantined(folder: Path) -> Iterator[Quarantined]:
    for file in sorted(folder.rglob("*.jsonl")):
        with file.open(encoding="utf-8", errors="replace") as lines:
            for line in lines:
                row = json.loads(line)
                yield Quarantined(
                    entity=str(row["entity"]),
                    file=Path(str(row["file"])).name,
                    line=int(row["line"] or 0),
                    reason=_bounded(row["reason"]),
                    raw=_bounded(row["raw"]),
                )


def _bounded(value: object) -> str:
    """Text as PostgreSQL takes it: no NUL, no endless row."""
    text = value if isinstance(value, str) else json.dumps(value)
    return text.replace("\0", "\ufffd")[:KEPT_CHARACTERS]
