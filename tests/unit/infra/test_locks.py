"""A lock of a dead deployment is cleared; one of a living process, or of another machine, is not."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from infra.engine.locks import drop_torn, holder, release_dead
from stack_runtime.paths import PROJECT


def _lock(backend: Path, pid: int, hostname: str | None = None) -> Path:
    folder = backend / ".pulumi" / "locks" / "organization" / PROJECT / "dev"
    folder.mkdir(parents=True, exist_ok=True)
    path = folder / f"{pid}.json"
    lock = {
        "pid": pid,
        "username": "ada",
        "hostname": hostname or socket.gethostname(),
        "timestamp": datetime.now(UTC).isoformat().replace("+00:00", "Z"),
    }
    path.write_text(json.dumps(lock))
    return path


def _dead() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_living_holder_is_named_and_left_alone(tmp_path: Path) -> None:
    path = _lock(tmp_path, os.getpid())
    assert release_dead(f"file://{tmp_path}", "dev") == []
    assert path.exists()
    assert "ada" in (holder(f"file://{tmp_path}", "dev") or "")


def test_dead_holder_is_released(tmp_path: Path) -> None:
    path = _lock(tmp_path, _dead())
    assert release_dead(f"file://{tmp_path}", "dev")
    assert not path.exists()
    assert holder(f"file://{tmp_path}", "dev") is None


def test_killed_but_unburied_holder_is_released(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "60"])
    path = _lock(tmp_path, process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert release_dead(f"file://{tmp_path}", "dev")
        assert not path.exists()
    finally:
        process.wait()


def test_other_machine_and_other_stack_are_left_alone(tmp_path: Path) -> None:
    path = _lock(tmp_path, _dead(), hostname="elsewhere")
    assert release_dead(f"file://{tmp_path}", "dev") == []
    assert release_dead(f"file://{tmp_path}", "prod") == []
    assert path.exists()


def test_backends_that_are_no_folder_are_none_of_ours() -> None:
    assert release_dead("s3://bucket", "dev") == []


def test_torn_attributes_of_the_record_go_unless_somebody_deploys(tmp_path: Path) -> None:
    folder = tmp_path / ".pulumi" / "stacks" / PROJECT
    folder.mkdir(parents=True)
    torn, whole, other = (folder / f"{name}.attrs" for name in ("dev.json", "dev.json.bak", "prod.json"))
    torn.touch()
    whole.write_text("{}")
    other.touch()
    lock = _lock(tmp_path, os.getpid())
    drop_torn(f"file://{tmp_path}", "dev")
    assert torn.exists()
    lock.unlink()
    drop_torn(f"file://{tmp_path}", "dev")
    assert (torn.exists(), whole.exists(), other.exists()) == (False, True, True)
    drop_torn("s3://bucket", "dev")
