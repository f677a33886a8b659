"""Test three Celery workers on a rented server, with a double of the provider's API.

If the server or the budget is too small, the workers are refused, and alternatives are listed.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from fds_offline import registry
from stack_runtime.docker_host import local_docker
from tests.e2e.conftest import LAYERS
from tests.kit.hetzner import HetznerAPI
from tests.kit.project import ON_A_SERVER, Project

pytestmark = [pytest.mark.slow, pytest.mark.timeout(1500)]  # the first test may build the image

PING = ("/app/.venvs/airflow/bin/celery", "--app", "data_stack.airflow.celery_app", "inspect", "ping", "--json")
CELERY = {**ON_A_SERVER, "profiles": ["orchestration"], "executor": "celery"}


@pytest.fixture
def api() -> Iterator[HetznerAPI]:
    with HetznerAPI() as double:
        yield double


def _project(api: HetznerAPI, folder: Path, **settings: Any) -> Project:
    made = Project(folder, "workers-prod", {**CELERY, **settings}, dict(api.environment))
    made.take_secrets()
    return made


def _created(project: Project) -> list[str]:
    """Return the kind of each resource that `fds preview` shows as new, and for a worker's container also its name."""
    done = project.fds("preview")
    assert done.returncode == 0, done.stderr
    lines = [line.removeprefix("  would create ") for line in done.stderr.splitlines() if "would create" in line]
    return [line if "airflow-worker" in line else line.split()[0] for line in lines]


def test_three_workers_add_two_containers_if_they_fit(api: HetznerAPI, tmp_path: Path) -> None:
    project = _project(api, tmp_path, budgetUsd="60")
    one = Counter(_created(project))
    plan = project.json("scale", "workers=3", "--apply")
    assert plan["verdict"] == "within", plan
    name = "Container workers-prod-airflow-worker"
    assert Counter(_created(project)) - one == {f"{name}-1": 1, f"{name}-2": 1}
    assert api.writes() == []


def _assert_deployed(project: Project, workers: int) -> Counter[str]:
    """Deploy and test that all services are healthy, all workers answer, and a second `fds up` changes nothing.

    Returns: the number of containers of each service.
    """
    assert project.json("up", timeout=1200)["changed"] > 0
    rows = project.json("status")["services"]
    assert {row["health"] for row in rows} == {"healthy"}, rows
    done = project.fds("exec", "airflow-worker", "--", *PING)
    assert done.returncode == 0, done.stdout + done.stderr
    assert list(json.loads(done.stdout).values()) == [{"ok": "pong"}] * workers
    assert project.json("up")["changed"] == 0
    return Counter(row["service"] for row in rows)


def test_three_workers_run_on_a_server_that_is_large_enough(tmp_path: Path) -> None:
    with HetznerAPI(servers=True, layers=LAYERS) as api:
        mirror = f"http://{registry.serve(local_docker())}"
        project = _project(api, tmp_path, budgetUsd="60", registryMirror=mirror)
        one = _assert_deployed(project, 1)
        servers = [entry for entry in api.writes() if entry.path == "/servers"]
        assert project.json("scale", "workers=3", "--apply")["verdict"] == "within"
        assert _assert_deployed(project, 3) - one == {"airflow-worker": 2}
        assert [entry for entry in api.writes() if entry.path == "/servers"] == servers, "a second server was ordered"
        down = project.fds("down", "--volumes", "--confirm", project.stack)
        assert down.returncode == 0 and api.account() == api.empty(), down.stderr


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        (
            {"serverType": "cpx22"},
            ["does not fit", "memory: 4,472 MiB needed, 3,814 available", "CPU: 2.45 cores needed, 2"],
        ),
        ({}, ["over the budget of $50.00"]),
    ],
    ids=["memory", "budget"],
)
def test_three_workers_too_large_for_server_or_budget_are_refused_with_valid_alternatives(
    api: HetznerAPI, tmp_path: Path, settings: dict[str, str], said: list[str]
) -> None:
    project = _project(api, tmp_path, workers=3, **settings)
    for verb in ("cost", "preview", "up"):
        done = project.fds(verb)
        assert done.returncode == 3, done.stdout + done.stderr
        text = done.stdout + done.stderr
        assert all(words in text for words in (*said, "fds scale")) and "Traceback" not in text, text
    assert api.writes() == []
    stack_file = project.stack_file.read_text()
    alternatives = json.loads(project.fds("cost", "--json").stdout)["alternatives"]
    assert alternatives
    for alternative in alternatives:
        pairs = [f"{name}={value}" for name, value in alternative["settings"].items()]
        assert project.json("scale", *pairs, "--apply")["verdict"] == "within"
        assert project.fds("preview").returncode == 0
        project.stack_file.write_text(stack_file)
