"""Test `fds setup` for a server, with and without a terminal: the prompts, the stored values and the refusals."""

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
    with HetznerAPI() as double:
        yield double


@pytest.fixture
def fresh(api: HetznerAPI, tmp_path: Path) -> Project:
    """Return a project with settings, but without token and secrets; it uses the virtualenvs of this repository."""
    made = Project(tmp_path, STACK, SETTINGS, {"HCLOUD_ENDPOINT": api.endpoint, "HCLOUD_TOKEN": ""})
    for name in (".venvs", "pyproject.toml", "uv.lock"):
        (tmp_path / name).symlink_to(ROOT / name)
    return made


@pytest.fixture
def project(fresh: Project) -> Project:
    """Return the project `fresh` with generated secrets, so that only values that the user enters are missing."""
    fresh.take_secrets()
    return fresh


def _setup_at_a_terminal(project: Project, answers: Sequence[str], **environment: str) -> tuple[int, str, list[str]]:
    """Run setup at a terminal; return exit code, output and prompts.

    At each prompt, type the next answer; if no answer is left, type Ctrl-D.
    """
    words = [sys.executable, "-m", "fds.main", "setup", "--stack", project.stack]
    pid, terminal = pty.fork()
    if pid == 0:
        os.chdir(project.folder)
        os.execve(words[0], words, project.variables(**environment, TERM="dumb"))
    output, prompts, remaining = "", [], list(answers)
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        if select.select([terminal], [], [], 0.2)[0]:
            try:
                data = os.read(terminal, 4096)
            except OSError:
                break
            output += data.decode(errors="replace")
        prompt = re.search(QUESTION, output)
        if prompt:
            prompts.append(prompt[1])
            os.write(terminal, f"{remaining.pop(0)}\n".encode() if remaining else b"\x04")
            output += "\n"
    _, status = os.waitpid(pid, 0)
    os.close(terminal)
    return os.waitstatus_to_exitcode(status), output, prompts


def _config(project: Project) -> dict[str, Any]:
    return dict(yaml.safe_load(project.stack_file.read_text())["config"])


def _stored(project: Project) -> dict[str, Any]:
    """Return the stack's decrypted configuration, as the Pulumi engine prints it."""
    return dict(json.loads(project.engine("config", "--show-secrets", "--json").stdout))


def test_each_missing_value_is_asked_for_once_and_secrets_are_stored_encrypted(fresh: Project, api: HetznerAPI) -> None:
    code, output, prompts = _setup_at_a_terminal(fresh, [api.token, "stack.example.org", "me@example.org"])
    assert code == 0, output
    assert [prompt.split()[0] for prompt in prompts] == ["Hetzner", "Domain", "E-mail"]
    assert api.token not in output
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

    again, output, prompts = _setup_at_a_terminal(fresh, [])
    assert again == 0 and prompts == [], output
    assert _stored(fresh) == stored


def test_token_in_an_environment_variable_is_stored_and_not_asked_for(project: Project, api: HetznerAPI) -> None:
    project.configure({"domain": "stack.example.org"})
    code, output, prompts = _setup_at_a_terminal(project, ["me@example.org"], HCLOUD_TOKEN=api.token)
    assert code == 0, output
    assert [prompt.split()[0] for prompt in prompts] == ["E-mail"]
    assert _stored(project)["hcloud:token"]["value"] == api.token


def test_question_is_repeated_after_an_invalid_answer(project: Project, api: HetznerAPI) -> None:
    """Type invalid tokens, invalid domains (one of them would change a routing rule), and an invalid e-mail address."""
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
    code, output, prompts = _setup_at_a_terminal(project, answers)
    assert code == 0, output
    assert len(prompts) == len(answers)
    assert "refuses the token" in output and "Traceback" not in output
    assert _config(project)["freelancer-data-stack:domain"] == "stack.example.org"


def test_value_entered_before_an_aborted_setup_is_not_asked_for_again(project: Project, api: HetznerAPI) -> None:
    code, output, _ = _setup_at_a_terminal(project, [api.token])
    assert code == 2 and "no answer was given" in output
    code, output, prompts = _setup_at_a_terminal(project, ["stack.example.org", "me@example.org"])
    assert code == 0, output
    assert [prompt.split()[0] for prompt in prompts] == ["Domain", "E-mail"]


def test_setup_asks_for_the_token_of_the_dns_challenge(project: Project, api: HetznerAPI) -> None:
    project.configure({"domain": "stack.example.org", "email": "a@b.org", "certificateChallenge": "dns"})
    code, output, prompts = _setup_at_a_terminal(project, ["the dns token"], HCLOUD_TOKEN=api.token)
    assert code == 0 and len(prompts) == 1, output
    assert json.loads(_stored(project)["freelancer-data-stack:secrets"]["value"])["dns_token"] == "the dns token"
    assert project.engine("config", "set", "--secret", "--path", "secrets.dns_token", "another").returncode == 0
    assert json.loads(_stored(project)["freelancer-data-stack:secrets"]["value"])["dns_token"] == "another"


def _setup_without_a_terminal(project: Project, **environment: str) -> subprocess.CompletedProcess[str]:
    return project.run(sys.executable, "-m", "fds.main", "setup", "--stack", STACK, "--json", **environment)


def test_error_for_missing_values_without_a_terminal_has_commands_that_set_them(
    project: Project, api: HetznerAPI
) -> None:
    done = _setup_without_a_terminal(project)
    assert done.returncode == 2
    error = json.loads(done.stdout)
    assert error["error"] == f"stack {STACK} lacks a Hetzner token, domain, email, and there is no terminal to ask at"
    steps = error["next"].split(" && ")
    assert steps[0] == "export HCLOUD_TOKEN=TOKEN" and steps[-1] == f"fds setup --stack {STACK}"

    values = {"DOMAIN": "stack.example.org", "EMAIL": "me@example.org"}
    state = project.folder / ".fds" / "state"
    state.mkdir()
    backend = {
        "PATH": search_path(project.folder),
        "PULUMI_BACKEND_URL": f"file://{state}",
        "PULUMI_CONFIG_PASSPHRASE_FILE": str(project.folder / ".fds" / "passphrase"),
    }
    for step in steps[1:-1]:  # run the suggested commands with the variables that `. .fds/env` sets
        done = project.run(*(values.get(word, word) for word in step.split()), **backend)
        assert done.returncode == 0, done.stderr
    assert [_config(project)[f"freelancer-data-stack:{name}"] for name in ("domain", "email")] == [*values.values()]
    done = _setup_without_a_terminal(project, HCLOUD_TOKEN=api.token)
    assert done.returncode == 0, done.stderr
    assert "token" in json.loads(done.stdout)["stored"]
    assert json.loads(_setup_without_a_terminal(project).stdout)["stored"] == []


def test_missing_values_are_an_error_before_any_file_is_written(fresh: Project, tmp_path: Path) -> None:
    before = fresh.files()
    assert _setup_without_a_terminal(fresh, FDS_CACHE_DIR=str(tmp_path / "cache")).returncode == 2
    assert fresh.files() == before, "nothing may be written or downloaded before this error"


def test_refused_token_is_not_stored(project: Project, api: HetznerAPI) -> None:
    project.configure({"domain": "stack.example.org", "email": "me@example.org"})
    done = _setup_without_a_terminal(project, HCLOUD_TOKEN="0" * 64)
    assert done.returncode == 5
    assert "refuses the token" in done.stderr and "0" * 64 not in done.stderr
    assert "hcloud:token" not in _config(project)


def test_read_only_token_is_not_stored(project: Project, api: HetznerAPI) -> None:
    project.configure({"domain": "stack.example.org", "email": "me@example.org"})
    done = _setup_without_a_terminal(project, HCLOUD_TOKEN=api.read_only_token)
    assert done.returncode == 5
    assert "is read-only" in done.stderr and "next: create a token that may read and write" in done.stderr
    assert "hcloud:token" not in _config(project)
    done = _setup_without_a_terminal(project, HCLOUD_TOKEN=api.token)
    assert done.returncode == 0, done.stderr
    assert api.account() == api.empty(), "the check of the token's permissions created a resource"


def test_stored_token_is_used_by_fds_and_by_the_engine(project: Project, api: HetznerAPI) -> None:
    """Without `HCLOUD_TOKEN`, the price request, the provider and the policy pack use the token in the stack file."""
    project.configure({"domain": "stack.example.org", "email": "me@example.org", "allowSnapshot": False})
    assert _setup_without_a_terminal(project, HCLOUD_TOKEN=api.token).returncode == 0
    cost = project.json("cost", "--json")
    assert cost["prices"]["source"] == api.endpoint
    before = len(api.journal)
    preview = project.fds("preview")
    assert preview.returncode == 0, preview.stderr
    plain = project.engine("preview", "--policy-pack", str(ROOT / "infra" / "policy"))
    assert plain.returncode == 0, plain.stdout + plain.stderr
    assert len(api.journal) > before


def test_state_is_stored_in_the_backend_that_pulumi_backend_url_names(
    project: Project, api: HetznerAPI, tmp_path: Path
) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    project.configure({"domain": "stack.example.org", "email": "me@example.org"})
    done = _setup_without_a_terminal(project, HCLOUD_TOKEN=api.token, PULUMI_BACKEND_URL=f"file://{elsewhere}")
    assert done.returncode == 0, done.stderr
    assert f"state: file://{elsewhere}" in done.stderr
    assert list(elsewhere.rglob(f"{STACK}.json")) and not (project.folder / ".fds" / "state").exists()
