"""Read Meltano's plugins, the streams in the landing folder, and the published Singer states."""

from __future__ import annotations

import json
from typing import Any

from agents.tools.duckdb import query
from agents.tools.pipeline_target import PipelineTarget
from stack_runtime.content import meltano_project
from stack_runtime.errors import StackError, UsageError

DISCOVERY_SECONDS = 60.0
_STATE = "SELECT path, content FROM fds.state"


def plugins() -> dict[str, Any]:
    """Return the plugins of `meltano.yml` and the names of their settings there; omit values, which can be secret."""
    from ruamel.yaml import YAML

    found = YAML(typ="safe").load(meltano_project() / "meltano.yml")["plugins"]
    return {
        kind: [{"name": plugin["name"], "settings": sorted(plugin.get("config", {}))} for plugin in found[kind]]
        for kind in found
    }


def discover(target: PipelineTarget) -> list[dict[str, Any]]:
    """Return streams, keys and columns of the files in the landing folder; nothing is loaded.

    Raises:
        StackError: the folder is empty or cannot be read.
    """
    code, output = target.call("stack_runtime.pipeline", "discover", seconds=DISCOVERY_SECONDS)
    return list(parse_answer(code, output))


def state(target: PipelineTarget) -> list[dict[str, Any]]:
    """Return the published Singer state of each load; the next load skips data that the state records as loaded."""
    return [{"of": row["path"], "state": json.loads(row["content"])} for row in query(target, _STATE)]


def parse_answer(code: int, output: str) -> Any:
    """Parse the JSON output of the pipeline's command line.

    Raises:
        StackError: the output is an error, or is not JSON.
    """
    try:
        answer = json.loads(output.splitlines()[-1])
    except (ValueError, IndexError):
        what = f"the pipeline ended with exit code {code} and without an answer"
        raise UsageError(what, next_command="fds logs pipeline") from None
    if isinstance(answer, dict) and "exit_code" in answer:
        raise StackError.from_json(answer)
    return answer
