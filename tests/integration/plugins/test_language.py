"""Test plain `pulumi up` and policy packs with the stand-ins for the language host and the policy runner."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

PROGRAM = """
import os
import helper
import pulumi
import pulumi_docker

print("working in", os.path.basename(os.getcwd()))
config = pulumi.Config()
pulumi.export("secret", config.require_secret("password"))
pulumi.export("named", helper.NAME)
if config.get("wrong"):
    raise ValueError("the program is wrong")
if config.get("refused"):
    raise pulumi.RunError("the program refuses")
pulumi_docker.Network("net", labels=[{"label": "owner", "value": config.get("owner") or ""}])
"""
PACK = """
import pulumi
from pulumi_policy import EnforcementLevel, PolicyPack, ResourceValidationPolicy

def owned(args, report):
    if args.resource_type == "docker:index/network:Network" and args.props["labels"][0]["value"] == "":
        report(f"a network of {pulumi.get_project()} needs an owner, budget {pulumi.Config('named').get('budget')}")

PolicyPack("owners", enforcement_level=EnforcementLevel.MANDATORY, policies=[
    ResourceValidationPolicy(name="owned", description="Every network has an owner.", validate=owned)])
"""
Run = Callable[..., "subprocess.CompletedProcess[str]"]


@pytest.fixture
def pulumi_command(surroundings: dict[str, str], tmp_path: Path) -> Run:
    """Return a function that runs `pulumi` in a project whose program is in the subfolder `program`."""
    folder = tmp_path / "project"
    (folder / "program").mkdir(parents=True)
    (folder / "program" / "__main__.py").write_text(PROGRAM)
    (folder / "program" / "helper.py").write_text("NAME = 'helped'\n")
    options = {"toolchain": "uv", "virtualenv": sys.prefix}
    runtime = {"name": "python", "options": options}
    (folder / "Pulumi.yaml").write_text(json.dumps({"name": "named", "runtime": runtime, "main": "program"}))
    pack = tmp_path / "pack"
    pack.mkdir()
    (pack / "__main__.py").write_text(PACK)
    (pack / "PulumiPolicy.yaml").write_text(json.dumps({"runtime": runtime}))

    def run(*arguments: str, succeeds: bool = True) -> subprocess.CompletedProcess[str]:
        command = ["pulumi", *arguments, "--non-interactive"]
        environment = {**os.environ, **surroundings}
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
        assert (done.returncode == 0) is succeeds, done.stdout + done.stderr
        return done

    run("stack", "init", "test")
    run("config", "set", "--secret", "password", "hidden")
    return run


def test_plain_pulumi_command_runs_the_program_and_hides_its_secrets(pulumi_command: Run) -> None:
    try:
        done = pulumi_command("up", "--yes", "--skip-preview")
        assert "working in program" in done.stdout
        assert "hidden" not in done.stdout + done.stderr
        outputs = json.loads(pulumi_command("stack", "output", "--json", "--show-secrets").stdout)
        assert outputs == {"secret": "hidden", "named": "helped"}
        assert "2 unchanged" in pulumi_command("up", "--yes", "--skip-preview").stdout
    finally:
        pulumi_command("destroy", "--yes")


def test_traceback_has_only_frames_of_the_program_and_a_refusal_by_the_program_has_no_traceback(
    pulumi_command: Run,
) -> None:
    pulumi_command("config", "set", "wrong", "yes")
    done = pulumi_command("preview", succeeds=False)
    assert "ValueError: the program is wrong" in done.stdout
    assert "runpy" not in done.stdout
    pulumi_command("config", "rm", "wrong")
    pulumi_command("config", "set", "refused", "yes")
    done = pulumi_command("preview", succeeds=False)
    assert "error: the program refuses" in done.stdout
    assert "Traceback" not in done.stdout


def test_update_that_violates_a_mandatory_policy_fails(pulumi_command: Run, tmp_path: Path) -> None:
    pulumi_command("config", "set", "budget", "50")
    done = pulumi_command("up", "--yes", "--policy-pack", str(tmp_path / "pack"), succeeds=False)
    assert "a network of named needs an owner, budget 50" in done.stdout
    pulumi_command("config", "set", "owner", "me")
    pulumi_command("preview", "--policy-pack", str(tmp_path / "pack"))


def test_pulumi_install_creates_the_missing_virtualenv_of_a_uv_project(pulumi_command: Run, tmp_path: Path) -> None:
    (tmp_path / "project" / "Pulumi.yaml").write_text(
        "name: named\nruntime: {name: python, options: {toolchain: uv}}\n"
    )
    (tmp_path / "project" / "pyproject.toml").write_text(
        "[project]\nname = 'named'\nversion = '1'\nrequires-python = '>=3.11'\ndependencies = []\n"
    )
    assert "Finished installing dependencies" in pulumi_command("install").stdout
    assert (tmp_path / "project" / ".venv" / "bin" / "python").exists()


def test_error_for_a_missing_virtualenv_suggests_pulumi_install(pulumi_command: Run, tmp_path: Path) -> None:
    (tmp_path / "project" / "Pulumi.yaml").write_text(
        "name: named\nruntime: {name: python, options: {virtualenv: gone}}\nmain: program\n"
    )
    done = pulumi_command("preview", succeeds=False)
    assert "gone' is not a virtualenv; next: pulumi install" in done.stdout + done.stderr
