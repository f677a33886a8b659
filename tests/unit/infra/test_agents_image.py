"""Test that the image of the agents has all files that a plan needs, although it lacks `infra/engine`."""

from __future__ import annotations

import shutil
import subprocess
import sys
from fnmatch import fnmatch
from pathlib import Path

from tests.kit.project import ROOT

ABSENT = ("docker", "hcloud", "paramiko", "pulumi", "pulumi_docker", "pulumi_hcloud", "requests")
"""Python packages that planning must not import; `PROGRAM` blocks their import."""
PROGRAM = f"""
import sys
sys.modules.update(dict.fromkeys({ABSENT!r}))
from datetime import date
from pathlib import Path
from infra.cost.planning_inputs import PlanningInputs
from infra.hosts import HOSTS
from infra.settings import Settings
project = Path.cwd()
for host in HOSTS:
    values = {{"host": host, "allowSnapshot": True, "fxRate": "1.1", "fxDate": "2026-10-07"}}
    settings = Settings.of("one", values)
    print(host, PlanningInputs.of(settings, date(2026, 10, 8), project=project).plan(settings).verdict)
"""


def _is_included(name: str, rules: list[str]) -> bool:
    """Return whether a rule (the text after `!` in `.dockerignore`) includes the file or one of its parent folders."""
    whole = [name, *(str(folder) for folder in Path(name).parents)]
    return any(fnmatch(part, rule) and part.count("/") == rule.count("/") for part in whole for rule in rules)


def test_files_of_the_agents_image_are_enough_to_plan_for_every_host(tmp_path: Path) -> None:
    rules = [line[1:] for line in (ROOT / ".dockerignore").read_text().splitlines() if line.startswith("!infra")]
    for path in (ROOT / "infra").rglob("*"):
        name = str(path.relative_to(ROOT))
        if path.is_file() and "__pycache__" not in name and _is_included(name, rules):
            (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy(path, tmp_path / name)
    assert not (tmp_path / "infra" / "engine").exists()
    (tmp_path / "stack_runtime").symlink_to(ROOT / "stack_runtime")
    (tmp_path / "Pulumi.yaml").write_text("name: freelancer-data-stack\n")
    environment = {"PATH": "", "PYTHONPATH": str(tmp_path), "FDS_CACHE_DIR": str(tmp_path / "cache")}
    command = [sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    found = dict(line.split() for line in done.stdout.splitlines())
    assert (found["local"], found["hetzner"]) == ("within", "within")
