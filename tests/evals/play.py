"""Plays one case: a table row in, what happened out."""

from __future__ import annotations

import asyncio
import sqlite3
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, replace
from datetime import timedelta
from decimal import Decimal
from pathlib import Path
from typing import Any

import yaml
from pydantic import ValidationError
from pydantic_ai import models
from pydantic_ai.exceptions import ModelHTTPError
from pydantic_ai.messages import ModelMessage, ModelResponse, TextPart, ToolCallPart, ToolReturnPart
from pydantic_ai.models.function import AgentInfo, FunctionModel

from agents.assistant import Assistant
from agents.base import Limits
from agents.request import WorkflowRequest
from infra import stack_file
from stack_runtime.errors import LockedError, StackError
from tests.evals.world import World

models.ALLOW_MODEL_REQUESTS = False
CASES = Path(__file__).parent / "cases"
MOST_CALLS = 12
LIMITS = Limits(seconds=10, requests=6, back_off_seconds=0.001)


@dataclass(frozen=True)
class Case:
    """One row of a class's table."""

    kind: str
    id: str
    steps: list[dict[str, Any]]


@dataclass(frozen=True)
class Result:
    """`through`: how the claim was broken. `odd`: what happened against expectation, though nothing got through."""

    case: Case
    through: list[str]
    odd: list[str]

    @property
    def good(self) -> bool:
        return not self.through and not self.odd


def cases() -> list[Case]:
    """All tables. A case without `steps` is one `ask`."""
    found = []
    for path in sorted(CASES.glob("*.yaml")):
        table = yaml.safe_load(path.read_text(encoding="utf-8"))
        common = table.get("common", {})
        for row in table["cases"]:
            row = {**common, **row}
            name = row.pop("id")
            found.append(Case(path.stem, name, row.get("steps", [{"ask": row}])))
    return found


def play(case: Case) -> Result:
    """Run the steps of a case, then let the judge look."""
    with tempfile.TemporaryDirectory(prefix="fds-eval-") as folder:
        project = Path(folder) / "project"
        project.mkdir()
        player = _Player(World(project))
        odd = []
        for number, step in enumerate(case.steps, 1):
            ((verb, detail),) = step.items()
            expected, got = getattr(player, verb)(detail)
            if expected != got:
                odd.append(f"step {number} {verb}: expected {expected}, got {got}")
        return Result(case, player.world.violations(), odd)


class _Player:
    """One method a verb; each returns what was expected and what came."""

    def __init__(self, world: World) -> None:
        self.world = world
        self.proposals: list[Any] = []
        self.tokens: dict[int, str] = {}

    def ask(self, row: dict[str, Any]) -> tuple[Any, Any]:
        got = self._asked(row)
        expected = row["gets"]
        if self.world.model_calls > MOST_CALLS:
            got += ", and went on for ever"
        if got in ("accept", "scale_down_to_fit") and row.get("human") != "away":
            after = [self.approve({})[1], self.apply({})[1]]
            if after != ["ok", row.get("then", "applied")]:
                return expected, f"{got}, then {after}"
        if "tools" in row:
            ends = ["allowed" if answer["success"] else "blocked" for answer in self.world.seen]
            return (expected, row["tools"]), (got, ends[-1] if ends else "none")
        return expected, got

    def _asked(self, row: dict[str, Any]) -> str:
        assistant = Assistant(
            self.world.desk,
            "prod",
            "ann",
            _model(row["model"], self.world),
            self.world.tools.all(),
            replace(LIMITS, seconds=row.get("seconds", LIMITS.seconds)),
        )
        try:
            request = WorkflowRequest.model_validate({"text": row["ask"], **row.get("with", {})})
            response = asyncio.run(assistant.ask(request))
        except ValidationError:
            return "not_a_request"
        except StackError:
            return "failed"
        if not _clean(response.output):
            self.world.shown_dirty = True
        if response.status == "answered":
            return "answer"
        if "decision" not in response.output:
            return "rejected"
        if response.status == "needs_approval":
            self.proposals.append(self.world.desk.find(response.output["id"]).proposal)
        return str(response.output["decision"])

    def approve(self, row: dict[str, Any]) -> tuple[Any, Any]:
        position = row.get("of", -1) % len(self.proposals)
        proposal = self.proposals[position]
        digest = {"right": proposal.digest, "wrong": "0" * 64, "empty": "", "other": self.proposals[0].digest}[
            row.get("digest", "right")
        ]
        expected = row.get("gets", "ok")
        try:
            token = self.world.desk.approve(row.get("id", proposal.id), digest, "bob")
        except StackError:
            return expected, "refused"
        self.tokens[position] = token
        if digest == proposal.digest:
            self.world.approved.append(proposal)
        return expected, "ok"

    def apply(self, row: dict[str, Any]) -> tuple[Any, Any]:
        position = row.get("of", -1) % len(self.proposals)
        which = row.get("token", position)
        token = self.tokens.get(which % len(self.proposals), "") if isinstance(which, int) else which
        if token == "hash":
            token = self.world.desk.find(self.proposals[position].id).token_hash or ""
        if token == "digest":
            token = self.proposals[position].digest
        try:
            self.world.desk.apply(row.get("id", self.proposals[position].id), token, "ann")
        except StackError as error:
            return row.get("gets", "applied"), "failed" if "engine" in str(error) else "refused"
        return row.get("gets", "applied"), "applied"

    def sold_out(self, what: str) -> tuple[Any, Any]:
        self.world.sold_out = what
        return None, None

    def edit_while_planning(self, changes: dict[str, Any]) -> tuple[Any, Any]:
        self.world.edit_while_planning = changes
        return None, None

    def race(self, row: dict[str, Any]) -> tuple[Any, Any]:
        """Many at the same moment; only one may win."""
        verbs = {"approve": self.approve, "apply": self.apply, "expire": lambda _: self.expire(["taken back"])}
        self.world.meeting = threading.Barrier(len(row["of"]))
        with ThreadPoolExecutor(8) as pool:
            ends = list(pool.map(lambda position: verbs[row["verb"]]({"of": position}), row["of"]))
        return 1, sum(end in ("ok", "applied", ["taken back"]) for _, end in ends)

    def prices(self, factor: str) -> tuple[Any, Any]:
        self.world.prices = Decimal(factor)
        return None, None

    def edit(self, changes: dict[str, Any]) -> tuple[Any, Any]:
        self.world.edit(changes)
        return None, None

    def wait(self, hours: float) -> tuple[Any, Any]:
        self.world.now += timedelta(hours=hours)
        return None, None

    def deployment(self, way: str) -> tuple[Any, Any]:
        self.world.deployment = way
        return None, None

    def restart(self, _: Any) -> tuple[Any, Any]:
        self.world.restart()
        return None, None

    def expire(self, gets: list[str]) -> tuple[Any, Any]:
        try:
            return gets, [outcome.status for outcome in self.world.desk.expire()]
        except LockedError:
            return gets, ["locked"]

    def neighbour(self, _: str) -> tuple[Any, Any]:
        """Another stack comes to share the budget."""
        self.world.let_neighbour_join()
        return None, None

    def file(self, expected: dict[str, Any]) -> tuple[Any, Any]:
        """What the stack file says."""
        values = stack_file.read(self.world.folder, "prod").model_dump(mode="json", by_alias=True)
        return expected, {key: values[key] for key in expected}

    def history(self, expected: list[str]) -> tuple[Any, Any]:
        """Who did what, the oldest first."""
        lines = reversed(self.world.desk.history("prod"))
        return expected, [f"{line['event']} by {line['person']}" for line in lines]

    def tamper(self, sql: str) -> tuple[Any, Any]:
        """Somebody writes into the ledger's file itself."""
        connection = sqlite3.connect(self.world.folder / ".fds" / "agents.sqlite")
        try:
            connection.execute(sql)
            connection.commit()
        except sqlite3.Error:
            return None, None
        finally:
            connection.close()
        return None, None


def _clean(value: Any) -> bool:
    """Whether a terminal would show every text as it is."""
    if isinstance(value, dict):
        return all(_clean(item) for pair in value.items() for item in pair)
    if isinstance(value, list):
        return all(map(_clean, value))
    return not isinstance(value, str) or value.isprintable()


def _model(turns: list[Any], world: World) -> FunctionModel:
    """A model that says what the table says, and its last turn for ever."""
    said = iter(turns)
    last: list[Any] = []

    async def respond(messages: list[ModelMessage], info: AgentInfo) -> ModelResponse:
        for part in messages[-1].parts:
            if isinstance(part, ToolReturnPart) and isinstance(part.content, dict):
                world.seen.append(part.content)
        world.model_calls += 1
        turn = next(said, None)
        if isinstance(turn, dict) and "sleeps" in turn:
            await asyncio.sleep(turn["sleeps"])
            turn = next(said, None)
        if turn is not None:
            last[:] = turn if isinstance(turn, list) else [turn]
        if "http" in last[0]:
            raise ModelHTTPError(last[0]["http"], "hostile")
        return ModelResponse(parts=[_part(item) for item in last])

    return FunctionModel(respond)


def _part(item: dict[str, Any]) -> TextPart | ToolCallPart:
    if "says" in item:
        return TextPart(item["says"])
    if "answer" in item:
        return ToolCallPart("answer", {"text": item["answer"]})
    if "raw" in item:
        return ToolCallPart("scaling_request", item["raw"])
    if "tool" in item:
        return ToolCallPart(item["tool"], item.get("args", {}))
    return ToolCallPart("scaling_request", {"reason": "because", **item})
