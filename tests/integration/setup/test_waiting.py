"""Test that `fds up`, while it waits for a new server, reports that the server does not answer over SSH yet."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

from tests.kit.hetzner import HetznerAPI
from tests.kit.project import ON_A_SERVER, Project

PATIENCE_S = 150


def test_fds_up_reports_that_it_waits_for_ssh_while_it_still_runs(tmp_path: Path) -> None:
    with HetznerAPI() as api:  # servers exist only in the simulated account, so SSH never answers
        project = Project(tmp_path, "t-waiting", ON_A_SERVER, dict(api.environment))
        project.take_secrets()
        process = subprocess.Popen(
            [sys.executable, "-m", "fds.main", "up", "--stack", project.stack],
            cwd=project.folder, env=project.variables(), stderr=subprocess.PIPE, text=True, start_new_session=True,
        )  # fmt: skip
        timer = threading.Timer(PATIENCE_S, os.killpg, (process.pid, signal.SIGKILL))
        timer.start()
        lines: list[str] = []
        for line in process.stderr or ():
            lines.append(line)
            if "waiting for SSH at " in line:
                break
        waits = process.poll() is None
        timer.cancel()
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        assert "waiting for SSH at " in lines[-1] and waits, "".join(lines)
