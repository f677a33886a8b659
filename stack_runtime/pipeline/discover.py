"""What the extractor finds in the landing folder: its streams and their types. Nothing is loaded."""

from __future__ import annotations

import json
import subprocess
import tempfile
from pathlib import Path
from typing import Any

from stack_runtime.errors import CheckFailedError, UsageError
from stack_runtime.pipeline import meltano_env
from stack_runtime.pipeline.extract_load import Work, environment, landed, reason_of
from stack_runtime.pipeline.paths import MELTANO_PROJECT, PipelinePaths


def discover(paths: PipelinePaths) -> list[dict[str, Any]]:
    """Each stream as `{stream, keys, columns: {name: types}}`, as the files in the landing folder have them now.

    Raises:
        UsageError: there is no file.
        CheckFailedError: the extractor cannot read them.
    """
    if not landed(paths.landing):
        where = str(paths.landing)
        raise UsageError("no CSV file in the landing folder", where=where, next_command="fds run --csv FILE")
    meltano_env.prepare(lambda _: None)
    with tempfile.TemporaryDirectory() as folder:
        work = Work(Path(folder), Path(folder) / "none.duckdb")
        done = subprocess.run(
            [str(meltano_env.MELTANO), "--log-format", "plain", "invoke", "--no-install", "tap-csv", "--discover"],
            cwd=MELTANO_PROJECT,
            env=environment(work, paths.landing, None, work.folder / "meltano.db", None),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
    try:
        return [_stream(stream) for stream in json.loads(done.stdout)["streams"]]
    except (ValueError, KeyError):
        reason = reason_of(done.stderr.splitlines())
        raise CheckFailedError(f"nothing was found: {reason}", where="tap-csv", next_command="correct it") from None


def _stream(stream: dict[str, Any]) -> dict[str, Any]:
    columns = {name: kind.get("type", kind) for name, kind in stream["schema"]["properties"].items()}
    return {"stream": stream["tap_stream_id"], "keys": stream.get("key_properties", []), "columns": columns}
