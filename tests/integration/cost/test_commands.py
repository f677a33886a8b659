"""Test `fds cost` and `fds scale` as separate processes, as a user runs them."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import requests

from infra.cost.sources import saved
from stack_runtime.paths import PROJECT
from tests.kit.hetzner.api import HetznerAPI

RATE = ("--fx-rate", "1.1637", "--fx-date", "2026-05-27")
OLD = ("--stack", "prod", "--allow-snapshot", *RATE)
STACK = """# the owner's note
config:
  freelancer-data-stack:host: hetzner  # rented
  freelancer-data-stack:serverType: cpx22
  freelancer-data-stack:volumeGb: 20
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """Return a project that has a local stack and a stack on a rented server, but no Hetzner token."""
    (tmp_path / "Pulumi.yaml").write_text(f"name: {PROJECT}\nruntime: python\n")
    (tmp_path / "Pulumi.prod.yaml").write_text(STACK)
    (tmp_path / "Pulumi.dev.yaml").write_text("config:\n  freelancer-data-stack:host: local\n")
    return tmp_path


def fds(project: Path, *arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run `fds` in the project, without the variables of this shell that can change the result."""
    kept = {key: value for key, value in os.environ.items() if not key.startswith(("HCLOUD_", "FDS_"))}
    own = {"FDS_CACHE_DIR": str(project / "cache"), "COLUMNS": "100", **environment}
    return subprocess.run(
        [sys.executable, "-m", "fds.main", *arguments], cwd=project, env=kept | own, capture_output=True, text=True,
        check=False,
    )  # fmt: skip


def test_old_prices_give_the_verdict_unknown_unless_allow_snapshot_is_set(project: Path) -> None:
    refused = fds(project, "cost", "--stack", "prod", "--json")
    assert (refused.returncode, json.loads(refused.stdout)["verdict"]) == (4, "unknown")
    allowed = fds(project, "cost", *OLD, "--json")
    plan = json.loads(allowed.stdout)
    assert (allowed.returncode, plan["verdict"], plan["total_usd"]) == (0, "within", "29.28")
    assert any("days old" in warning for warning in plan["warnings"])


def test_local_stack_is_planned_with_an_invalid_token_and_an_unreachable_api(project: Path) -> None:
    done = fds(project, "cost", "--json", HCLOUD_TOKEN="wrong", HCLOUD_ENDPOINT="http://127.0.0.1:9")
    assert (done.returncode, json.loads(done.stdout)["total_usd"]) == (0, "0.00")


@pytest.mark.parametrize(("type_", "code"), [("cpx22", 0), ("cpx42", 3), ("cpx999", 4)])
def test_cost_with_explain_or_markdown_ends_with_the_exit_code_of_the_verdict(
    project: Path, type_: str, code: int
) -> None:
    path = project / "Pulumi.prod.yaml"
    path.write_text(STACK.replace("cpx22", type_))
    for form in ("--explain", "--markdown"):
        done = fds(project, "cost", *OLD, form)
        assert done.returncode == code, done.stderr
        assert "Traceback" not in done.stderr


@pytest.mark.parametrize("arguments", [("cost", "--json"), ("cost", "--stack", "nobody", "--json")])
def test_command_whose_output_goes_to_a_full_disk_ends_with_a_one_line_error(
    project: Path, arguments: tuple[str, ...]
) -> None:
    words = [sys.executable, "-m", "fds.main", *arguments]
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(words, cwd=project, stdout=full, stderr=subprocess.PIPE, text=True, check=False)
    assert done.returncode == (2 if "nobody" in arguments else 1), done.stderr
    assert done.stderr.startswith("fds: ") and done.stderr.count("\n") == 1


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (("cost", "--markdown"), "--json and --markdown do not go together"),
        (("cost", "--base", "main"), "--base is a revision for --diff"),
        (("cost", "--bogus"), "No such option: --bogus"),
        (("scale",), "Missing argument 'KEY=VALUE…'"),
        (("nosuch",), "No such command 'nosuch'"),
    ],
)
def test_usage_error_is_one_sentence_on_stderr_and_one_json_document_on_stdout(
    project: Path, arguments: tuple[str, ...], says: str
) -> None:
    done = fds(project, *arguments, "--json")
    error = json.loads(done.stdout)
    assert (done.returncode, error["exit_code"]) == (2, 2) and error["error"].startswith(says)
    assert done.stderr.startswith(f"fds: {says}") and done.stderr.count("\n") == 1 and "; next: " in done.stderr


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("cost", "--stack", "none"), 2),
        (("cost", "--stack", "prod", "--fx-rate", "1.1"), 2),
        (("cost", "--stack", "prod", "--fx-rate", "nan", "--fx-date", "2026-10-01"), 2),
        (("cost", "--stack", "prod", "--prices", "nowhere"), 2),
        (("cost", *OLD, "--prices-date", "yesterday"), 2),
        (("cost", *OLD, "--prices-date", "2026-10-07"), 2),
        (("cost", *OLD, "--actual"), 5),
        (("cost", "--actual"), 2),
        (("cost", *OLD, "--diff"), 2),
        (("scale", "budgetUsd=90", *OLD), 2),
        (("scale", "volumeGb=10", *OLD), 3),
        (("scale", "serverType=cpx42", *OLD), 3),
        (("scale", "serverType=cpx999", *OLD), 4),
        (("scale", "workers=2", "--stack", "prod"), 4),
    ],
)
def test_failing_command_leaves_the_stack_file_unchanged(project: Path, arguments: tuple[str, ...], code: int) -> None:
    done = fds(project, *arguments, *(("--apply",) if arguments[0] == "scale" else ()))
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert (project / "Pulumi.prod.yaml").read_text() == STACK
    advice = done.stderr.partition("; next: ")[2]
    assert "--stack" in advice or "fds " not in advice


def test_prices_are_read_from_a_folder_with_a_warning_if_their_date_is_missing(project: Path) -> None:
    folder = project / "prices"
    folder.mkdir()
    for name in (saved.PRICING, saved.SERVER_TYPES):
        (folder / name).write_text((saved.SHIPPED / name).read_text())
    done = fds(project, "cost", *OLD, "--json", "--prices", str(folder), "--prices-date", "2026-11-20")
    plan = json.loads(done.stdout)
    assert plan["prices"]["date"] == "2026-11-20"
    by_variable = fds(project, "cost", *OLD, "--json", FDS_PRICES_DIR=str(folder))
    assert any("have no date" in warning for warning in json.loads(by_variable.stdout)["warnings"])


def test_scale_changes_the_stack_file_only_if_apply_is_given_and_keeps_its_comments(project: Path) -> None:
    path = project / "Pulumi.prod.yaml"
    dry = fds(project, "scale", "backups=true", *OLD, "--json")
    plan = json.loads(dry.stdout)
    assert (dry.returncode, path.read_text()) == (0, STACK)
    assert [(change["resource"], change["added_usd"]) for change in plan["changes"]] == [("backups", "5.40")]
    wet = fds(project, "scale", "backups=true", "volumeGb=30", *OLD, "--apply")
    assert wet.returncode == 0, wet.stderr
    written = path.read_text()
    assert "# the owner's note" in written and "# rented" in written
    again = json.loads(fds(project, "cost", *OLD, "--json").stdout)
    assert {line["resource"]: line["quantity"] for line in again["lines"]}["data volume"] == 30


@pytest.mark.parametrize("request_", [("serverType=cpx32", "backups=true"), ("serverType=cpx42", "memory.redis=300")])
def test_alternative_of_scale_costs_the_stated_price_if_its_pairs_are_given_to_scale(
    project: Path, request_: tuple[str, ...]
) -> None:
    refused = json.loads(fds(project, "scale", *request_, *OLD, "--json").stdout)
    assert refused["verdict"] == "over" and refused["alternatives"]
    for other in refused["alternatives"]:
        pairs = [f"{key}={value}" for key, value in other["settings"].items()]
        planned = json.loads(fds(project, "scale", *pairs, *OLD, "--json").stdout)
        assert (planned["total_usd"], planned["verdict"]) == (other["total_usd"], "within"), pairs


def test_alternative_of_scale_that_changes_nothing_is_not_shown(project: Path) -> None:
    (project / "Pulumi.prod.yaml").write_text(STACK + "  freelancer-data-stack:budgetUsd: 30\n")
    refused = json.loads(fds(project, "scale", "backups=true", *OLD, "--json").stdout)
    assert refused["verdict"] == "over"
    assert {"backups": "false"} not in [other["settings"] for other in refused["alternatives"]]


def test_diff_shows_the_change_of_cost_since_the_last_commit(project: Path) -> None:
    git = ["git", "-C", str(project), "-c", "user.name=a", "-c", "user.email=a@b"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "first"]):
        subprocess.run([*git, *command], check=True)
    (project / "Pulumi.prod.yaml").write_text(STACK.replace("20", "40"))
    done = fds(project, "cost", *OLD, "--diff", "--json")
    changes = json.loads(done.stdout)["changes"]
    assert [(change["resource"], change["added_usd"]) for change in changes] == [("data volume", "1.58")]
    assert fds(project, "cost", *OLD, "--diff", "--base=--output=x").returncode == 2


def test_fds_cost_takes_under_a_second_of_cpu_time(project: Path) -> None:
    """Use the least CPU time of three runs, because other tests run at the same time; the time includes imports."""
    taken = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        assert fds(project, "cost", *OLD).returncode == 0
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        taken.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    assert min(taken) < 1.0


def test_fds_cost_does_not_import_pulumi_or_the_api_client(project: Path) -> None:
    code = (
        "import sys; from fds.main import run; sys.argv = ['fds', 'cost', *sys.argv[1:]]\n"
        "try: run()\nexcept SystemExit: pass\n"
        "heavy = {'pulumi', 'hcloud', 'requests', 'docker', 'duckdb', 'grafana_foundation_sdk'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code, *OLD], cwd=project, capture_output=True, text=True, check=False)
    assert done.stderr.strip().splitlines()[-1] == "[]"


@pytest.fixture
def api() -> Iterator[HetznerAPI]:
    """Yield a double of the Hetzner API whose account is empty."""
    with HetznerAPI() as double:
        yield double


def _post(api: HetznerAPI, path: str, **body: Any) -> Any:
    headers = {"Authorization": f"Bearer {api.token}"}
    done = requests.post(f"{api.endpoint}/{path}", json=body, headers=headers, timeout=10)
    assert done.ok, done.text
    return done.json()


def test_cost_with_actual_shows_running_resources_beside_the_plan(project: Path, api: HetznerAPI) -> None:
    ours = {"project": PROJECT, "stack": "prod"}
    _post(api, "servers", name="a", server_type="cpx22", image="debian-12", location="fsn1", labels=ours)
    _post(api, "volumes", name="data", size=20, location="fsn1", labels=ours)
    _post(api, "volumes", name="lost", size=50, location="fsn1")
    access = {"HCLOUD_ENDPOINT": api.endpoint, "HCLOUD_TOKEN": api.token}
    rate = ("--fx-rate", "1.1637", "--fx-date", "2026-05-27", "--allow-snapshot")
    done = fds(project, "cost", "--stack", "prod", "--actual", "--json", *rate, **access)
    found = json.loads(done.stdout)
    assert (done.returncode, found["stack_usd"], found["planned_usd"]) == (0, "29.28", "29.28")
    # The monthly total in US dollars consists of volumes of 20 GB and 50 GB (1.59 + 3.97), and of server and IPv4
    # address (26.99 + 0.70).
    assert found["total_usd"] == "33.25"
    assert [item["resource"] for item in found["items"] if item["owner"] == "(stray)"] == ["volume lost (50 GB)"]
    shrink = fds(project, "scale", "serverType=cpx12", "--stack", "prod", *rate, **access)
    assert shrink.returncode == 3 and "disk of 80 GB" in shrink.stderr
    assert len(api.writes()) == 3, "only the three requests of this test may write"
