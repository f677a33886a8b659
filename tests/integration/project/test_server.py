"""Preview a stack on a server for a project that has no virtualenv and uses the installed package."""

from __future__ import annotations

from pathlib import Path

import yaml

from infra.engine.environment import search_path
from tests.integration.project.conftest import init
from tests.kit import wheel
from tests.kit.hetzner import HetznerAPI
from tests.kit.project import ON_A_SERVER, ROOT


def test_preview_of_a_server_stack_succeeds_and_sends_no_write_to_the_api(
    installed: wheel.Installed, tmp_path: Path
) -> None:
    project = init(installed, tmp_path, "mine")
    settings = {f"freelancer-data-stack:{name}": value for name, value in ON_A_SERVER.items()}
    (project.folder / "Pulumi.prod.yaml").write_text(yaml.safe_dump({"config": settings}))
    with HetznerAPI() as api:
        # Set PATH to a search path with the engine, and with the stand-ins if official plugins are missing.
        done = project.fds("preview", "--stack", "prod", PATH=search_path(ROOT), **api.environment)
        assert done.returncode == 0, done.stdout + done.stderr
        assert "would create Server prod-server" in done.stderr, done.stderr
        assert api.writes() == []
