"""What Meltano would load, and how far it is: plugins, streams in the landing folder, state of the last load."""

from __future__ import annotations

import json
from typing import Any

from agents.tools.duckdb import query
from agents.tools.target import PipelineTarget
from stack_runtime.errors import StackError, UsageError
from stack_runtime.pipeline.paths import MELTANO_PROJECT

DISCOVERY_SECONDS = 60.0
_STATE = "SELECT path, content FROM fds.state"


def plugins() -> dict[str, Any]:
    """Extractors and loaders with the names of their settings; values can be secret."""
    from ruamel.yaml import YAML

    found = YAML(typ="safe").load(MELTANO_PROJECT / "meltano.yml")["plugins"]
    return {
        kind: [{"name": plugin["name"], "settings": sorted(plugin.get("config", {}))} for plugin in found[kind]]
        for kind in found
    }


def discover(target: PipelineTarget) -> list[dict[str, Any]]:
    """Streams, keys and columns that the extractor finds in the landing folder; nothing is loaded.

    Raises:
        StackError: there is nothing, or it cannot be read.
    """
    code, said = target.call("stack_runtime.pipeline", "discover", seconds=DISCOVERY_SECONDS)
    answer = answered(code, said)
    return list(answer)


def state(target: PipelineTarget) -> list[dict[str, Any]]:
    """The state of each load as it was published: what the next load does not read again."""
    return [{"of": row["path"], "state": json.loads(row["content"])} for row in query(target, _STATE)]


def answered(code: int, said: str) -> Any:
    """The JSON answer of the pipeline's command line, or its error.

    Raises:
        StackError: it said what went wrong, or nothing that can be read.
    """
    try:
        answer = json.loads(said.splitlines()[-1])
    except (ValueError, IndexError):
        raise UsageError(f"the pipeline ended with {code} and no answer", next_command="fds logs pipeline") from None
    if isinstance(answer, dict) and "exit_code" in answer:
        error = StackError(answer["error"], where=answer["where"], next_command=answer["next"])
        error.exit_code = answer["exit_code"]
        raise error
    return answer
