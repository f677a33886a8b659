"""Load the data of one run and add the results to the `Run`; report refused files and large changes as errors."""

from __future__ import annotations

from dataclasses import replace
from itertools import islice
from pathlib import Path

from stack_runtime.errors import CheckFailedError
from stack_runtime.pipeline.counts import read_quarantine
from stack_runtime.pipeline.extract_load import extract_load
from stack_runtime.pipeline.model import Check, Refused, Run
from stack_runtime.pipeline.postgres_config import PostgresConfig
from stack_runtime.pipeline.sources import Selection
from stack_runtime.pipeline.workspace import Workspace

KEPT_ROWS = 1000
"""Maximum number of quarantined rows in the record of a run; the quarantine folder of the run has all of them."""


def load(
    run: Run,
    work: Workspace,
    selection: Selection,
    system_database: Path,
    postgres: PostgresConfig | None,
    *,
    whole: bool = False,
) -> Run:
    """Load the sources and files of `selection`, and add the counts of this load to the counts of `run`.

    Args:
        system_database: SQLite file for Meltano's system database; used only if `postgres` is None.
        whole: load all rows and do not change Meltano's state, instead of loading only new data.

    Returns: `run` with counts, one check per stream, refused files and quarantined rows.

    Raises:
        CheckFailedError: a source cannot be read, or the counts do not add up.
    """
    loaded = extract_load(work, selection, system_database, postgres, whole=whole)
    refused = [*(Refused("", str(file), why) for file, why in selection.unclaimed), *loaded.refused]
    rows = islice(read_quarantine(work.quarantine), KEPT_ROWS)
    named = (replace(item, file=Path(item.file).name) for item in refused)
    accounted = (  # these checks pass, because `extract_load` raises if the counts of a stream do not add up
        Check(f"rows_read_are_accounted_for_in_{stream.table}", "pass", 0.0, 0.0) for stream in loaded.streams
    )
    return replace(
        run,
        rows=run.rows + loaded.rows,
        streams=(*run.streams, *loaded.streams),
        files=run.files + loaded.files + len(selection.unclaimed),
        refused=(*run.refused, *named),
        quarantined=tuple(replace(row, file=Path(row.file).name) for row in rows),
        checks=(*run.checks, *accounted),
    )


def refuse_unreadable(run: Run, selection: Selection) -> None:
    """Refuse to publish if all files were refused and all sources of the run read only files.

    Quarantined rows do not stop a run.

    Raises:
        CheckFailedError: the run must not publish.
    """
    others = any(source.entities is None for source in selection.sources)
    if run.refused and len(run.refused) == run.files and not others:
        raise CheckFailedError(
            f"nothing was loaded: {_listed(run.refused)}",
            where="extract_load",
            next_command="correct the files, then run the same command again",
        )


def refusal_of(run: Run) -> CheckFailedError | None:
    """Return the error for a run that published although some files were refused; None if no file was refused."""
    if not run.refused:
        return None
    count = len(run.refused)
    return CheckFailedError(
        f"{count} of {run.files} files {'was' if count == 1 else 'were'} refused: {_listed(run.refused)}",
        next_command="correct or remove the refused files, then run the same command again",
    )


def refuse_large_changes(run: Run, limit: float) -> None:
    """Refuse to publish if more than `limit` (0.1 is 10%) of the rows of a mart would change.

    A mart that is not published yet is not checked.

    Raises:
        CheckFailedError: at least one mart changes by more than `limit`.
    """
    over = [f"{mart.mart} by {mart.share:.1%}" for mart in run.diff or () if mart.share and mart.share > limit]
    if over:
        raise CheckFailedError(
            f"more than {limit * 100:g}% of the rows would change, so nothing was published: {', '.join(over[:5])}",
            next_command="look at the changes, then run the same command without --approve-over",
        )


def _listed(refused: tuple[Refused, ...]) -> str:
    more = f"; and {len(refused) - 3} more" if len(refused) > 3 else ""
    return "; ".join(f"{item.file}: {item.reason}" for item in refused[:3]) + more
