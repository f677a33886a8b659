"""Test the commands in the code blocks of `PAGES`: run each here, name its test, or state why it cannot run."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.kit.project import ROOT, Project

PAGES = (ROOT / "README.md", *sorted(set((ROOT / "docs").glob("*.md")) - {ROOT / "docs" / "agents.md"}))
"""Pages whose commands are tested here; `docs/agents.md` has its own test, `tests/unit/agents/test_docs.py`."""
DRAWINGS = ("text", "nginx")
"""Languages of code blocks without commands, which are drawings and configuration."""
PROGRAMS = ("python",)
"""Language of code blocks that are programs; `tests/unit/infra/test_component.py` runs those of docs/component.md."""
SETTINGS = ("yaml",)
"""Languages of blocks that contain settings; `tests/unit/pipeline/test_sources.py` reads those of docs/data.md."""

RUN_HERE = {
    "uv run fds run --local --csv data_stack/samples/transactions.csv --database first.duckdb": {0},
    ".venv/bin/fds cost --stack prod": {0, 4},  # 4 once the packaged prices are two weeks old
    ".venv/bin/fds cost --stack prod --allow-snapshot": {0},
    ".venv/bin/fds scale serverType=cpx32 backups=true --stack prod --allow-snapshot": {3},
}
"""Allowed exit codes of each command in a new clone."""

OWN = "tests/integration/pipeline/test_own_project.py"
ORCHESTRATION = "tests/integration/setup/test_orchestration.py"
MONITORING = "tests/integration/setup/test_monitoring_commands.py"
BI = "tests/integration/setup/test_bi_commands.py"
MONITORED = "tests/integration/monitoring/test_stack.py"
INSPECT = "tests/integration/pipeline/test_inspect.py"
DEV, PROD = "tests/e2e/test_dev_stack.py", "tests/e2e/test_prod_stack.py"
RUN_ELSEWHERE = {
    "make up": (DEV, '"up"'),
    "make down": (DEV, '"down"'),
    ". .fds/env": ("tests/unit/setup/test_engine_environment.py", "write_env_file"),
    "pulumi config get --path secrets.ui_password --stack dev": (DEV, '"--path", "secrets.ui_password"'),
    "pip install 'freelancer-data-stack[all]'": ("tests/integration/component/test_extras.py", "[all]"),
    "fds init my-data": ("tests/integration/project/test_user_project.py", "init(installed"),
    "cd my-data": ("tests/integration/project/conftest.py", 'cd {name}'),
    "fds setup && fds up": (DEV, '"up"'),
    ".venv/bin/fds run --csv my.csv": (DEV, '"run", "--csv"'),
    ".venv/bin/fds run --csv my.csv --json": (DEV, '"run", "--csv"'),
    ".venv/bin/fds run --csv my.csv --plan": (OWN, '"--plan"'),
    "fds inspect bank.csv": (INSPECT, '"inspect", *words'),
    "fds inspect bank.csv --write --entity bank --key Umsatz-Nr --set encoding=cp1252": (
        INSPECT, '"--key", "Umsatz-Nr", "--set", "encoding=cp1252"',
    ),
    "fds run --csv bank.csv --entity bank --local": (INSPECT, 'project.local("run", "--csv"'),
    ".venv/bin/fds run": (OWN, 'project.local("run")'),
    ".venv/bin/fds diff": (OWN, 'project.local("diff")'),
    ".venv/bin/fds dbt -- run --select my_model": (OWN, '"dbt", "--local", "--", "run", "--select"'),
    ".venv/bin/fds dbt -- docs generate": (OWN, '"docs", "generate"'),
    ".venv/bin/fds setup --stack prod": ("tests/integration/setup/test_server_setup.py", '"setup"'),
    ".venv/bin/fds up --stack prod": (PROD, '"up"'),
    ".venv/bin/fds setup --stack home": ("tests/integration/setup/test_server_setup.py", '"setup"'),
    ".venv/bin/fds up --stack home": ("tests/integration/ssh/conftest.py", '"up", "--stack"'),
    ".venv/bin/fds status --stack prod": ("tests/e2e/prod.py", '"status"'),
    ".venv/bin/fds down --stack prod": ("tests/e2e/test_prod_stack_faults.py", '"down"'),
    "pulumi config set --secret --path secrets.dns_token --stack prod": (
        "tests/integration/setup/test_server_setup.py", "secrets.dns_token",
    ),
    "pulumi config set --path 'profiles[2]' orchestration --stack dev": (
        ORCHESTRATION, '"profiles[2]", "orchestration"',
    ),
    ".venv/bin/fds up": (DEV, '"up"'),
    ".venv/bin/fds open airflow": (ORCHESTRATION, '"open", "airflow"'),
    "pulumi config set --path notify.webhook true --stack prod": (ORCHESTRATION, '"notify.webhook", "true"'),
    "pulumi config set --secret --path secrets.webhook_url https://hooks.example.org/… --stack prod": (
        ORCHESTRATION, '"secrets.webhook_url"',
    ),
    "pulumi config set --path 'profiles[1]' monitoring --stack prod": (MONITORING, '["monitoring", "grafana"]'),
    "pulumi config set --path 'profiles[1]' grafana --stack prod": (MONITORING, '"profiles[1]", "grafana"'),
    ".venv/bin/fds open grafana --stack prod": (MONITORING, '"open", "grafana"'),
    "pulumi config set --path notify.email.to me@example.org --stack prod": (
        MONITORING, '"notify.email.to", "me@example.org"',
    ),
    "pulumi config set --path notify.email.sender fds@example.org --stack prod": (
        MONITORING, '"notify.email.sender", "fds@example.org"',
    ),
    "pulumi config set --path notify.email.server smtp.example.org --stack prod": (
        MONITORING, '"notify.email.server", "smtp.example.org"',
    ),
    "pulumi config set --path notify.email.user me --stack prod": (MONITORING, '"notify.email.user", "me"'),
    "pulumi config set --secret --path secrets.smtp_password --stack prod": (MONITORING, '"secrets.smtp_password"'),
    "sudo python3 infra/hosts/container_metrics.py": ("tests/integration/monitoring/conftest.py", "program.__file__"),
    ".venv/bin/fds alerts test --stack prod": (MONITORED, '"alerts", "test"'),
    ".venv/bin/fds exec prometheus --stack prod -- promtool query instant http://localhost:9090 'up == 0'": (
        MONITORED, '"promtool", "query", "instant"',
    ),
    "pulumi config set --path 'profiles[2]' bi --stack dev": (BI, '"profiles[2]", "bi"'),
    ".venv/bin/fds open metabase": (BI, '"open", "metabase"'),
    "pulumi config get --path secrets.metabase_admin_password --stack dev": (BI, '"secrets.metabase_admin_password"'),
    "python3 -m venv venv": ("tests/kit/wheel.py", '"venv"'),
    "venv/bin/pip install freelancer-data-stack": ("tests/kit/wheel.py", '"pip", "install"'),
    "pulumi up --replace URN": ("tests/integration/component/test_component.py", '"--replace", urn'),
}  # fmt: skip
"""For each command, the file of a test that runs the command, and the text in this file that does so."""

CANNOT = {
    "make test": "the command would run this test again",
    "mkdir shop && cd shop": "only commands of the shell",
}


def _commands() -> list[str]:
    found: list[str] = []
    for page in PAGES:
        for language, body in re.findall(r"^```(\w*)\n(.*?)^```", page.read_text("utf-8"), re.DOTALL | re.MULTILINE):
            if language not in DRAWINGS + PROGRAMS + SETTINGS:
                assert language in ("bash", "console"), f"{page.name}: name the test of blocks in {language!r}"
                lines = (re.sub(r"\s+#.*", "", line).strip() for line in body.splitlines())
                found += [line for line in lines if line]
    return list(dict.fromkeys(found))


def test_every_documented_command_has_a_test_or_a_reason_why_it_cannot_run() -> None:
    assert sorted(_commands()) == sorted([*RUN_HERE, *RUN_ELSEWHERE, *CANNOT])


@pytest.mark.parametrize(("command", "place"), RUN_ELSEWHERE.items())
def test_file_listed_for_a_command_contains_the_text_that_runs_the_command(
    command: str, place: tuple[str, str]
) -> None:
    file, words = place
    assert words in (ROOT / file).read_text("utf-8"), f"{file} does not run {command}"


@pytest.fixture
def clone(tmp_path: Path) -> Project:
    """Return a project like a new clone, with the virtualenvs that `make` creates."""
    made = Project(tmp_path, "prod", {}, {"HCLOUD_TOKEN": ""})
    made.stack_file.write_text((ROOT / "Pulumi.prod.yaml").read_text("utf-8"))
    for name in (".venv", ".venvs", "data_stack", "pyproject.toml", "uv.lock"):
        (tmp_path / name).symlink_to(ROOT / name)
    return made


@pytest.mark.parametrize(("command", "codes"), RUN_HERE.items())
def test_documented_command_runs_in_a_new_clone(clone: Project, command: str, codes: set[int]) -> None:
    words = command.replace("uv run", "uv run --no-sync").split()
    done = clone.run(*words)
    assert done.returncode in codes, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
