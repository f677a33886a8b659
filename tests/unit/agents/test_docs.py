"""Run the program and the `fds` commands of docs/agents.md, and parse the commands that start with `python`.

`test_documented_servers.py` starts the documented servers.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

PAGE = Path(__file__).parents[3] / "docs" / "agents.md"


def _blocks() -> list[tuple[str, str]]:
    """Return language and content of every code block of the page."""
    return re.findall(r"^```([a-z]+)\n(.*?)^```", PAGE.read_text(encoding="utf-8"), re.DOTALL | re.MULTILINE)


def examples(language: str) -> list[str]:
    """Return the contents of the page's code blocks in one language."""
    return [content for kind, content in _blocks() if kind == language]


def _commands() -> list[str]:
    """Return the `fds` and `python` commands in the console blocks."""
    lines = [line.removeprefix("$ ") for block in examples("console") for line in block.splitlines()]
    return [line for line in lines if line.startswith(("fds ", "python "))]


def _run(words: list[str], folder: Path, **environment: str) -> subprocess.CompletedProcess[str]:
    clean = {key: value for key, value in os.environ.items() if not key.startswith(("FDS_", "HCLOUD"))}
    return subprocess.run(words, cwd=folder, env=clean | environment, capture_output=True, text=True, timeout=120)


def test_every_code_block_of_the_page_has_a_known_language() -> None:
    assert {language for language, _ in _blocks()} == {"text", "console", "python", "json"}
    assert len(_blocks()) == PAGE.read_text(encoding="utf-8").count("\n```") / 2


@pytest.mark.parametrize("program", examples("python"))
def test_documented_program_runs_in_an_empty_folder(tmp_path: Path, program: str) -> None:
    """Run the program twice: the second time with a token in `HCLOUD_TOKEN`, which the program must not use."""
    (tmp_path / "program.py").write_text(program)
    for environment in ({}, {"HCLOUD_TOKEN": "x"}):
        done = _run([sys.executable, "program.py"], tmp_path, **environment)
        assert done.returncode == 0, done.stderr
        assert "Accepted: volumeGb 10 → 50" in done.stdout and done.stdout.endswith("deploying prod\napplied\n")


def test_documented_commands_of_python_m_agents_have_valid_arguments() -> None:
    from agents.__main__ import _parser

    words = [shlex.split(line) for line in _commands()]
    assert {line[0] for line in words} == {"fds", "python"} and len(words) >= 4
    for line in words:
        if line[0] == "python":
            _parser().parse_args(line[3:])


@pytest.mark.parametrize("line", [line for line in _commands() if line.startswith("fds ")])
def test_documented_fds_commands_fail_only_because_there_is_no_model(line: str, tmp_path: Path) -> None:
    """Without a model, the exit code is 5; with an invalid option, it would be 2."""
    (tmp_path / "Pulumi.yaml").write_text("name: freelancer-data-stack\nruntime: python\n")
    done = _run([sys.executable, "-m", "fds.main", *shlex.split(line)[1:]], tmp_path)
    assert done.returncode == 5 and "FDS_MODEL" in done.stderr, done.stderr


@pytest.mark.parametrize("document", examples("json"))
def test_json_example_has_a_valid_command_for_the_mcp_server(document: str) -> None:
    from agents.__main__ import _parser

    started = json.loads(document)
    assert started["command"] == "python" and _parser().parse_args(started["args"][2:]).verb == "mcp"
