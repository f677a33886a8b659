"""Start the MCP server with a real MCP client, as an assistant does, and list and call the server's tools."""

from __future__ import annotations

import asyncio
import json
import sys
from pathlib import Path
from typing import Any

from mcp import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

SERVE = """
import sys
from pathlib import Path
from agents.server.mcp_server import create_server
from tests.evals.environment import EvalEnvironment
env = EvalEnvironment(Path(sys.argv[1]))
create_server(env.changes, "prod", env.tools, "assistant").run("stdio")
"""
REQUEST = {"reason": "more data", "volume_gb": 50}


async def _session(folder: Path) -> dict[str, Any]:
    parameters = StdioServerParameters(
        command=sys.executable, args=["-c", SERVE, str(folder)], cwd=str(Path(__file__).parents[3])
    )
    async with Client(stdio_client(parameters)) as client:
        listed = {tool.name: tool for tool in (await client.list_tools()).tools}

        async def call(name: str, **arguments: Any) -> dict[str, Any]:
            result = await client.call_tool(name, arguments)
            text = getattr(result.content[0], "text", "{}")
            return {"error": text} if result.is_error else dict(json.loads(text))

        proposed = await call("scale_propose", request=REQUEST)
        data = proposed["data"]
        return {
            "tools": listed,
            "query": await call("duckdb_query", sql="SELECT count(*) AS n FROM transactions"),
            "write": await call("duckdb_query", sql="DROP TABLE transactions"),
            "proposed": proposed,
            "text_number": await call("scale_propose", request={**REQUEST, "volume_gb": "50"}),
            "budget": await call("scale_propose", request={**REQUEST, "budget_usd": 500}),
            "over": await call("scale_propose", request={"reason": "x", "server_type": "cpx42"}),
            "unapproved": await call("apply_approved", proposal=data["id"], approval_token="yes"),
            "run": (run := await call("run_propose", work={"tool": "dbt_test"})),
            "unapproved_run": await call("apply_approved", proposal=run["data"]["id"], approval_token="yes"),
            "selector": await call("run_propose", work={"tool": "dbt_test", "select": "--full-refresh"}),
        }


def test_client_reads_and_proposes_but_cannot_apply_without_approval(tmp_path: Path) -> None:
    found = asyncio.run(_session(tmp_path))
    tools = found["tools"]
    assert {"duckdb_query", "dbt_models", "stack_plan", "stack_status", "scale_propose", "apply_approved"} <= set(tools)
    writers = {name for name, tool in tools.items() if not tool.annotations.read_only_hint}
    assert writers == {"scale_propose", "run_propose", "apply_approved"}
    assert tools["apply_approved"].annotations.destructive_hint
    assert found["query"]["data"] == [{"n": 500}]
    assert not found["write"]["success"]
    assert found["proposed"]["data"]["decision"] == "accept"
    assert "error" in found["text_number"] and "error" in found["budget"]
    assert found["over"]["data"]["decision"] == "refuse"
    assert not found["unapproved"]["success"]
    assert found["run"]["data"]["text"] == "dbt_test on stack prod"
    assert not found["unapproved_run"]["success"] and "error" in found["selector"]
    assert "volumeGb" not in (tmp_path / "Pulumi.prod.yaml").read_text()
