"""Serve one stack over MCP. Assistants read and propose; to apply, they need a token that only a person can create."""

from __future__ import annotations

import json
from typing import Any

from mcp.server.mcpserver import MCPServer
from mcp.types import ToolAnnotations

from agents.changes.jobs import Work
from agents.changes.request import ScalingRequest
from agents.changes.service import ChangeService
from agents.server.schemas import ApprovalToken, ProposalId
from agents.tools.job_runner import MAX_SECONDS
from agents.tools.result import tool
from agents.tools.toolbox import Toolbox

_READS = ToolAnnotations(read_only_hint=True, destructive_hint=False, idempotent_hint=True, open_world_hint=False)
_PROPOSES = ToolAnnotations(read_only_hint=False, destructive_hint=False, idempotent_hint=False, open_world_hint=False)
_APPLIES = ToolAnnotations(read_only_hint=False, destructive_hint=True, idempotent_hint=False, open_world_hint=True)


def create_server(changes: ChangeService, stack: str, tools: Toolbox, person: str) -> MCPServer[Any]:
    """Return the MCP server of one stack.

    Args:
        person: name of the assistant's user, for the history.
    """
    server: MCPServer[Any] = MCPServer(
        "freelancer-data-stack",
        instructions="Read the stack and its data; propose changes of its size, and runs. A person approves them.",
        log_level="WARNING",
    )
    for function in tools.all():
        server.add_tool(function, annotations=_READS)

    def scale_propose(request: ScalingRequest) -> Any:
        """Plan a change of the stack's size. Nothing is applied; a person approves it by its digest."""
        proposal = changes.propose(stack, request, person)
        return {"digest": proposal.digest, **json.loads(proposal.model_dump_json())}

    def run_propose(work: Work) -> Any:
        """Propose a load, a build, a test or an Airflow run. Nothing runs; a person approves it by its digest."""
        job = changes.propose_job(stack, work, person)
        return {"digest": job.digest, "text": job.text, **json.loads(job.model_dump_json())}

    def apply_approved(proposal: ProposalId, approval_token: ApprovalToken) -> Any:
        """Apply an approved change or run an approved job. The person who approved has the token; it works once."""
        outcome = changes.apply(proposal, approval_token, person)
        return {"status": outcome.status, "problems": outcome.problems, "data": outcome.data}

    server.add_tool(tool(scale_propose), annotations=_PROPOSES)
    server.add_tool(tool(run_propose), annotations=_PROPOSES)
    server.add_tool(tool(apply_approved, MAX_SECONDS, finishes=True), annotations=_APPLIES)
    return server
