"""The examples of docs/agents.md run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.evals.world import World

PAGE = Path(__file__).parents[3] / "docs" / "agents.md"


def _examples(language: str) -> list[str]:
    return re.findall(rf"```{language}\n(.*?)```", PAGE.read_text(encoding="utf-8"), re.DOTALL)


def test_the_program_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "project").mkdir()
    World(tmp_path / "project")
    monkeypatch.chdir(tmp_path)
    for name in ("HCLOUD_TOKEN", "FDS_PRICES_DIR"):
        monkeypatch.delenv(name, raising=False)
    (program,) = _examples("python")
    exec(compile(program, "docs/agents.md", "exec"), {})
    said = capsys.readouterr().out
    assert "Accepted: volumeGb 10 → 50" in said and "deploying prod" in said and "applied" in said


def test_the_commands_are_understood() -> None:
    from agents.__main__ import _parser

    lines = [
        line for block in _examples("console") for line in block.splitlines() if line.startswith("python -m agents")
    ]
    assert lines
    for line in lines:
        _parser().parse_args(line.split()[3:])
