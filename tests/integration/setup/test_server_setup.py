"""`fds setup` for a server, at a terminal and without one: what is asked, what is stored, what is refused."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import yaml

from infra.engine.environment import search_path
from tests.kit.hetzner import HetznerAPI
from tests.kit.project import ON_A_SERVER, ROOT, Project

STACK = "setup-prod"
SETTINGS = {**ON_A_SERVER, "budgetGroup": "setup-tests", "allowSnapshot": True}

QUESTION = r"((?:Hetzner|Domain|E-mail|Secret) [^\r\n]*): $"


@pytest.fixture
def api() -> Iterator[HetznerAPI]:
    with HetznerAPI() as played:
        yield played


@pytest.fixture
def fresh(api: HetznerAPI, tmp_path: Path) -> Project:
    """A project that nobody has answered anything for; what setup made for this repository counts for it too."""
    made = Project(tmp_path, STACK, SETTINGS, {"HCLOUD_ENDPOINT": api.endpoint, "HCLOUD_TOKEN": ""})
    for name in (".venvs", "pyproject.toml", "uv.lock"):
        (tmp_path / name).symlink_to(ROOT / name)
    return made


@pytest.fixture
def project(fresh: Project) -> Project:
    """The same with its generated secrets, so that what is given is alone what is missing."""
    fresh.take_secrets()
    return fresh


def _at_a_terminal(project: Project, answers: Sequence[str], **environment: str) -> tuple[int, str, list[str]]:
    """Run setup with a terminal and type an answer at each question. Returns: exit code, what was shown, questions."""
    words = [sys.executable, "-m", "fds.main", "setup", "--stack", project.stack]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.folder)
        os.execve(words[0], words, project.variables(**environment, TERM="dumb"))
    shown, questions, left = "", [], list(answers)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            shown += data.decode(errors="replace")
        question = re.search(QUESTION, shown)
        if question:
            questions.append(question[1])
            os.write(terminal, f"{left.pop(0)}\n".encode() if left else b"\x04")
            shown += "\n"
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), shown, questions


def _config(project: Project) -> dict[str, Any]:
    return dict(yaml.safe_load(project.stack_file.read_text())["config"])


def _stored(project: Project) -> dict[str, Any]:
    """The configuration in the clear, as the engine tells it."""
    return dict(json.loads(project.engine("config", "--show-secrets", "--json").stdout))


def test_a_person_is_asked_once_and_everything_is_stored_encrypted(fresh: Project, api: HetznerAPI) -> None:
    code, shown, questions = _at_a_terminal(fresh, [api.token, "stack.example.org", "me@example.org"])
    assert code == 0, shown
    assert [question.split()[0] for question in questions] == ["Hetzner", "Domain", "E-mail"]
    assert api.token not in shown
    text = fresh.stack_file.read_text()
    assert api.token not in text and "secure:" in text
    config = _config(fresh)
    assert config["freelancer-data-stack:domain"] == "stack.example.org"
    assert config["freelancer-data-stack:email"] == "me@example.org"
    stored = _stored(fresh)
    assert stored["hcloud:token"] == {"value": api.token, "secret": True}
    secrets = json.loads(stored["freelancer-data-stack:secrets"]["value"])
    assert {"ui_password", "postgres_password", "ssh_key", "ssh_host_key", "ssh_boot_key"} <= set(secrets)
    assert len(set(secrets.values())) == len(secrets) and all(len(value) >= 32 for value in secrets.values())

    again, shown, questions = _at_a_terminal(fresh, [])
    assert again == 0 and questions == [], shown
    assert _stored(fresh) == stored


def test_what_the_environment_says_is_not_asked(project: Project, api: HetznerAPI) -> None:
    project.configure({"domain": "stack.example.org"})
    code, shown, questions = _at_a_terminal(project, ["me@example.org"], HCLOUD_TOKEN=api.token)
    assert code == 0, shown
    assert [question.split()[0] for question in questions] == ["E-mail"]
    assert _stored(project)["hcloud:token"]["value"] == api.token


def test_unusable_answers_are_refused_one_by_one(project: Project, api: HetznerAPI) -> None:
    """A token of another project, no token at all, a domain that would break out of a rule, no address."""
    answers = [
        "0" * 64,
        "tok\tén",
        api.token,
        "evil`).or(Host(`x",
        "localhost",
        "stack.example.org",
        "nobody",
        "a@b.org",
    ]
    code, shown, questions = _at_a_terminal(project, answers)
    assert code == 0, shown
    assert len(questions) == len(answers)
    assert "refuses the token" in shown and "Traceback" not in shown
    assert _config(project)["freelancer-data-stack:domain"] == "stack.example.org"


def test_who_gives_up_half_way_is_not_asked_again(project: Project, api: HetznerAPI) -> None:
    code, shown, _ = _at_a_terminal(project, [api.token])
    assert code == 2 and "no answer came" in shown
    code, shown, questions = _at_a_terminal(project, ["stack.example.org", "me@example.org"])
    assert code == 0, shown
    assert [question.split()[0] for question in questions] == ["Domain", "E-mail"]


def test_the_dns_challenge_asks_for_its_token(project: Project, api: HetznerAPI) -> None:
    project.configure({"domain": "stack.example.org", "email": "a@b.org", "certificateChallenge": "dns"})
    code, shown, questions = _at_a_terminal(project, ["the dns token"], HCLOUD_TOKEN=api.token)
    assert code == 0 and len(questions) == 1, shown
    assert json.loads(_stored(project)["freelancer-data-stack:secrets"]["value"])["dns_token"] == "the dns token"
    assert project.engine("config", "set", "--secret", "--path", "secrets.dns_token", "another").returncode == 0
    assert json.loads(_stored(project)["freelancer-data-stack:secrets"]["value"])["dns_token"] == "another"


def _without_a_terminal(project: Project, **environment: str) -> subprocess.CompletedProcess[str]:
    return project.run(sys.executable, "-m", "fds.main", "setup", "--stack", STACK, "--json", **environment)


def test_without_a_terminal_one_sentence_says_what_is_missing(project: Project, api: HetznerAPI) -> None:
    done = _without_a_terminal(project)
    assert done.returncode == 2
    error = json.loads(done.stdout)
    assert error["error"] == f"stack {STACK} lacks a Hetzner token, domain, email, and there is no terminal to ask at"
    steps = error["next"].split(" && ")
    assert steps[0] == "export HCLOUD_TOKEN=TOKEN" and steps[-1] == f"fds setup --stack {STACK}"

    given = {"DOMAIN": "stack.example.org", "EMAIL": "me@example.org"}
    state = project.folder / ".fds" / "state"
    state.mkdir()
    backend = {
        "PATH": search_path(project.folder),
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(project.folder / ".fds" / "passphrase"),
    }
    for step in steps[1:-1]:  # exactly these commands, in the environment of `. .fds/env`
        said = project.run(*(given.get(word, word) for word in step.split()), **backend)
        assert said.returncode == 0, said.stderr
    assert [_config(project)[f"freelancer-data-stack:{name}"] for name in ("domain", "email")] == [*given.values()]
    done = _without_a_terminal(project, HCLOUD_TOKEN=api.token)
    assert done.returncode == 0, done.stderr
    assert "token" in json.loads(done.stdout)["stored"]
    assert json.loads(_without_a_terminal(project).stdout)["stored"] == []


def test_missing_values_are_reported_before_anything_is_written(fresh: Project, tmp_path: Path) -> None:
    before = fresh.files()
    assert _without_a_terminal(fresh, FDS_CACHE_DIR=str(tmp_path / "cache")).returncode == 2
    assert fresh.files() == before, "and before an engine, plugins or images are fetched"


def test_a_token_that_the_api_refuses_is_not_stored(project: Project, api: HetznerAPI) -> None:
    project.configure({"domain": "stack.example.org", "email": "me@example.org"})
    done = _without_a_terminal(project, HCLOUD_TOKEN="0" * 64)
    assert done.returncode == 5
    assert "refuses the token" in done.stderr and "0" * 64 not in done.stderr
    assert "hcloud:token" not in _config(project)


def test_read_only_token_is_not_stored(project: Project, api: HetznerAPI) -> None:
    project.configure({"domain": "stack.example.org", "email": "me@example.org"})
    done = _without_a_terminal(project, HCLOUD_TOKEN=api.read_only_token)
    assert done.returncode == 5
    assert "is read-only" in done.stderr and "next: make a token that may read and write" in done.stderr
    assert "hcloud:token" not in _config(project)
    done = _without_a_terminal(project, HCLOUD_TOKEN=api.token)
    assert done.returncode == 0, done.stderr
    assert api.account() == api.empty(), "the question whether a token may write has made something"


def test_verbs_find_the_stored_token_and_so_does_the_engine(project: Project, api: HetznerAPI) -> None:
    """No variable is set: prices, the account, the provider and the policy pack all go by the stack file."""
    project.configure({"domain": "stack.example.org", "email": "me@example.org", "allowSnapshot": False})
    assert _without_a_terminal(project, HCLOUD_TOKEN=api.token).returncode == 0
    cost = project.json("cost", "--json")
    assert cost["prices"]["source"] == api.endpoint
    before = len(api.journal)
    preview = project.fds("preview")
    assert preview.returncode == 0, preview.stderr
    plain = project.engine("preview", "--policy-pack", str(ROOT / "infra" / "policy"))
    assert plain.returncode == 0, plain.stdout + plain.stderr
    assert len(api.journal) > before
    assert "HCLOUD_TOKEN" not in project.environment or project.environment["HCLOUD_TOKEN"] == ""


def test_the_state_may_lie_anywhere(project: Project, api: HetznerAPI, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project.configure({"domain": "stack.example.org", "email": "me@example.org"})
    done = _without_a_terminal(project, HCLOUD_TOKEN=api.token, PULUMI_BACKEND_URL=f"file://{elsewhere}")
    assert done.returncode == 0, done.stderr
    assert f"state: file://{elsewhere}" in done.stderr
    assert list(elsewhere.rglob(f"{STACK}.json")) and not (project.folder / ".fds" / "state").exists()
