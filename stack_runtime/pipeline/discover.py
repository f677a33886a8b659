"""List the streams that the extractors find in the landing folder, and their columns; load no data."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from stack_runtime.content import meltano_project
from stack_runtime.errors import CheckFailedError
from stack_runtime.pipeline import meltano_env
from stack_runtime.pipeline.extract_load import meltano_environment, reason_of
from stack_runtime.pipeline.paths import PipelinePaths
from stack_runtime.pipeline.sources import (
    Source,
    declared_sources,
    refuse_empty,
    refuse_nothing_declared,
    select_landed,
)
from stack_runtime.pipeline.workspace import Workspace


def discover(paths: PipelinePaths) -> list[dict[str, Any]]:
    """Return the streams of the files in the landing folder as `{stream, keys, columns: {name: types}}`.

    Raises:
        UsageError: no entity is declared, or no file in the landing folder belongs to an entity.
        CheckFailedError: an extractor cannot read its files.
    """
    declared = declared_sources()
    refuse_nothing_declared(declared)
    selection = select_landed(declared, paths.landing)
    sources = [source for source in selection.sources if source.entities is not None]
    if not sources:
        refuse_empty(selection, paths.landing)
    meltano_env.prepare(lambda _: None)
    with tempfile.TemporaryDirectory() as folder:
        work = Workspace(Path(folder), Path(folder) / "none.duckdb")
        environment = meltano_environment(work, selection, work.folder / "meltano.db", None)
        return [stream for source in sources for stream in _streams(source, environment)]


def _streams(source: Source, environment: dict[str, str]) -> list[dict[str, Any]]:
    done = subprocess.run(
        [str(meltano_env.MELTANO), "--log-format", "plain", "invoke", "--no-install", source.name, "--discover"],
        cwd=meltano_project(),
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        errors="replace",
        check=False,
    )
    try:
        return [_stream(stream) for stream in json.loads(done.stdout)["streams"]]
    except (ValueError, KeyError):
        reason = reason_of(done.stderr.splitlines())
        raise CheckFailedError(
            f"the streams cannot be listed: {reason}", where=source.name, next_command="correct the file or the setting"
        ) from None


def _stream(stream: dict[str, Any]) -> dict[str, Any]:
    columns = {name: kind.get("type", kind) for name, kind in stream["schema"]["properties"].items()}
    return {"stream": stream["tap_stream_id"], "keys": stream.get("key_properties", []), "columns": columns}
