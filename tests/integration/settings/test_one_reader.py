"""Test that the settings that are planned, approved and ordered are equal, or that nothing is ordered.

The tests write random settings in several forms that the Pulumi engine reads; `fds` allows only two of these forms.
"""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any

import pytest

from infra import stack_file
from infra.settings import Settings
from stack_runtime.errors import StackError
from tests.integration.settings.mixes import ALLOWED, Mix, mix_of
from tests.kit.hetzner.api import HetznerAPI
from tests.kit.project import ON_A_SERVER, OTHERS, ROOT, Project

READ = [(12, 1), pytest.param(300, 30, marks=pytest.mark.slow)]
"""Number of mixes to read, and the least number of them that the Pulumi program must accept."""
DEPLOYED = [(16, 1), pytest.param(40, 3, marks=pytest.mark.slow)]
"""Number of mixes to deploy, and the least number of them for which a server must be ordered."""


@pytest.fixture(scope="module")
def api() -> Iterator[HetznerAPI]:
    """Yield an account that logs each order of a server and refuses it as sold out, so that no server boots."""
    with HetznerAPI() as double:
        double.faults.add("POST", "/servers$", 10_000, "412")
        yield double


@pytest.fixture(scope="module")
def project(api: HetznerAPI, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Return a project after a deployment that ended when it ordered the server, because the server was sold out."""
    folder = tmp_path_factory.mktemp("mixes")
    made = Project(folder, "mixed-prod", {**ON_A_SERVER, "budgetUsd": "60"}, dict(api.environment))
    made.take_secrets()
    assert made.fds("up").returncode == 3
    return made


@pytest.fixture(scope="module")
def base(project: Project) -> str:
    """Return the text of the stack file without the budget and the date of the exchange rate, which a mix may set."""
    lines = project.stack_file.read_text().splitlines(keepends=True)
    kept = [line for line in lines if not line.startswith("  freelancer-data-stack:budgetUsd")]
    head, config, rest = "".join(kept).partition("config:\n")
    return head + config + "".join(line for line in rest.splitlines(keepends=True) if "fxDate" not in line)


def _with_rate_date(mix: Mix) -> Mix:
    """Add a date if the mix has none, because the exchange rate in the stack file needs a date; return the mix."""
    if not any("fxDate" in source for source in mix.sources):
        mix.stack_lines.append('freelancer-data-stack:fxDate: "2026-11-20"')
    return mix


def _resolved(project: Project, mix: Mix) -> dict[str, str] | None:
    """Return the configuration that the Pulumi engine reads, by key; None if the engine refuses the files."""
    done = _engine(project, mix, "config", "--json")
    if done.returncode:
        return None
    found = {key: entry.get("value", "{}") for key, entry in json.loads(done.stdout).items()}
    return {key: str(value) for key, value in found.items()}


def _pulumi_up(project: Project, mix: Mix) -> Any:
    """Run `pulumi up` with the repository's program and the stack file that the mix chooses."""
    if not mix.arguments:
        return project.engine("up", "--yes", "--skip-preview", "--non-interactive")
    return _engine(project, mix, "--cwd", str(ROOT), "up", "--yes", "--skip-preview", "--non-interactive")


def _engine(project: Project, mix: Mix, *words: str) -> Any:
    own = project.folder / ".fds"
    backend = {"PULUMI_BACKEND_URL": f"file://{own / 'state'}", "FDS_PROJECT_DIR": str(project.folder),
               "PULUMI_CONFIG_PASSPHRASE_FILE": str(own / "passphrase")}  # fmt: skip
    file = [] if not mix.arguments else ["--config-file", str(project.folder / "elsewhere" / project.stack_file.name)]
    return project.run("pulumi", *words, "--stack", project.stack, *file, **backend)


def _read(project: Project) -> Settings | None:
    """Return the settings that `fds cost` reads, or None if it refuses the files."""
    try:
        return stack_file.read(project.folder, project.stack)
    except StackError:
        return None


def _deployable(project: Project, engine: dict[str, str] | None) -> Settings | None:
    """Return the settings that the Pulumi program deploys with this configuration, or None if it refuses them."""
    if engine is None:
        return None
    try:
        return stack_file.resolved(project.folder, project.stack, engine)
    except StackError:
        return None


def _settings_of(engine: dict[str, str]) -> Settings:
    """Build settings from the Pulumi engine's configuration, without the product's reader of stack files."""
    prefix = "freelancer-data-stack:"
    values = {key.removeprefix(prefix): value for key, value in engine.items() if key.startswith(prefix)}
    return Settings.of("mixed-prod", {key: value for key, value in values.items() if key != "secrets"})


@pytest.mark.parametrize(("mixes", "least"), READ)
def test_settings_that_the_program_accepts_are_read_equally_by_the_engine_and_fds(
    project: Project, base: str, mixes: int, least: int
) -> None:
    chance, accepted, refused = random.Random(17), 0, 0
    for _ in range(mixes):
        mix = _with_rate_date(mix_of(chance))
        mix.write(project, base)
        engine = _resolved(project, mix)
        deployable = _deployable(project, engine)
        if deployable is None:
            refused += 1
            continue
        assert engine is not None
        assert deployable == _settings_of(engine) == _read(project), mix.sources
        assert all(source.split()[0] in ALLOWED for source in mix.sources), mix.sources
        accepted += 1
    assert accepted >= least and refused >= mixes / 4, (accepted, refused)


@pytest.mark.parametrize(("mixes", "least"), DEPLOYED)
def test_ordered_server_equals_the_planned_server_or_no_write_is_sent_to_the_api(
    api: HetznerAPI, project: Project, base: str, mixes: int, least: int
) -> None:
    chance, ordered = random.Random(18), 0
    for number in range(mixes):
        # Leave out the settings `location` and `volumeGb`, whose change can replace the data volume.
        mix = _with_rate_date(mix_of(chance, ("serverType", "budgetUsd", "backups", "fxDate")))
        mix.write(project, base)
        before, cost = len(api.writes()), project.fds("cost", "--json")
        by_fds = mix.project_lines or (number % 2 and not mix.arguments)
        done = project.fds("up") if by_fds else _pulumi_up(project, mix)
        wrote = api.writes()[before:]
        orders = [entry.body for entry in wrote if entry.path == "/servers"]
        if cost.returncode or any(source.split()[0] not in ALLOWED for source in mix.sources):
            assert wrote == [], (mix.sources, cost.stdout)
            continue
        server = json.loads(cost.stdout)["server"]
        found = [(order["server_type"], order["location"]) for order in orders]
        assert found == [(server["type"], server["location"])], (mix.sources, done.stdout, done.stderr)
        ordered += 1
    assert ordered >= least, "too few of the mixes were deployed"


def test_setting_added_after_the_approval_is_not_deployed(api: HetznerAPI, project: Project, base: str) -> None:
    """Change the stack file after it was checked and before the Pulumi engine reads it."""
    from infra.engine.stack_operations import StackOperations
    from infra.operations.deploy import deploy
    from stack_runtime.errors import RefusedError

    Mix(stack_lines=['freelancer-data-stack:fxDate: "2026-11-20"']).write(project, base)
    approved = stack_file.read(project.folder, project.stack)
    before = len(api.writes())
    with pytest.MonkeyPatch.context() as patch:
        for name in OTHERS:
            patch.delenv(name, raising=False)
        for name, value in project.environment.items():
            patch.setenv(name, value)
        patch.chdir(project.folder)
        original = StackOperations.generate_secrets

        def change_settings_first(deployment: StackOperations) -> list[str]:
            project.configure({"serverType": "cpx32", "budgetUsd": "60"})
            return original(deployment)

        patch.setattr(StackOperations, "generate_secrets", change_settings_first)
        with pytest.raises(RefusedError, match="no longer has the approved settings"):
            deploy(project.folder, project.stack, lambda _: None, approved=approved)
    assert api.writes()[before:] == []
