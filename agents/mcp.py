"""The MCP server for assistants: they look, and they propose. Applying takes a token that only a person can get."""

from __future__ import annotations

import json
from typing import Annotated, Any

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations
from pydantic import Field

from agents.jobs import Work
from agents.request import ScalingRequest
from agents.running import SECONDS
from agents.scaling import ScalingDesk
from agents.tools.result import tool
from agents.tools.toolbox import Toolbox

_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_PROPOSES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
_APPLIES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)


def server(desk: ScalingDesk, stack: str, tools: Toolbox, person: str) -> MCPServer[Any]:
    """The tools of one stack; `person` is whose assistant it is."""
    mcp: MCPServer[Any] = MCPServer(
        "freelancer-data-stack",
        instructions="Read the stack and its data; propose changes of its size, and runs. A person approves them.",
        log_level="WARNING",
    )
    for function in tools.all():
        mcp.add_tool(function, annotations=_READS)

    def scale_propose(request: ScalingRequest) -> Any:
        """Plan a change of the stack's size. Nothing is made; a person approves it by its digest."""
        proposal = desk.propose(stack, request, person)
        return {"digest": proposal.digest, **json.loads(proposal.model_dump_json())}

    def run_propose(work: Work) -> Any:
        """Ask for a load, a build, a test or an Airflow run. Nothing is done; a person approves it by its digest."""
        job = desk.order(stack, work, person)
        return {"digest": job.digest, "text": job.text, **json.loads(job.model_dump_json())}

    def apply_approved(
        proposal: Annotated[str, Field(pattern=r"^[0-9a-f]{16}$")],
        approval_token: Annotated[str, Field(min_length=1, max_length=200)],
    ) -> Any:
        """Make an approved change or do an approved run. The token comes from who approved, and works once."""
        outcome = desk.apply(proposal, approval_token, person)
        return {"status": outcome.status, "problems": outcome.problems, "data": outcome.data}

    mcp.add_tool(tool(scale_propose), annotations=_PROPOSES)
    mcp.add_tool(tool(run_propose), annotations=_PROPOSES)
    mcp.add_tool(tool(apply_approved, SECONDS, finishes=True), annotations=_APPLIES)
    return mcp
