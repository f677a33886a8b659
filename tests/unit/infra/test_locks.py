"""Test what is removed from a local backend: locks of dead processes and half-written files, but no other locks."""

from __future__ import annotations

import json
import os
import socket
import subprocess
from datetime import UTC, datetime
from pathlib import Path

from infra.engine.locks import drop_torn, holder, release_dead
from stack_runtime.paths import PROJECT


def _write_lock(backend: Path, pid: int, hostname: str | None = None) -> Path:
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


def _dead_pid() -> int:
    process = subprocess.Popen(["true"])
    process.wait()
    return process.pid


def test_lock_of_a_running_process_is_kept_and_the_user_who_holds_it_is_named(tmp_path: Path) -> None:
    path = _write_lock(tmp_path, os.getpid())
    assert release_dead(f"file://{tmp_path}", "dev") == []
    assert path.exists()
    assert "ada" in (holder(f"file://{tmp_path}", "dev") or "")


def test_lock_of_a_dead_process_is_released(tmp_path: Path) -> None:
    path = _write_lock(tmp_path, _dead_pid())
    assert release_dead(f"file://{tmp_path}", "dev")
    assert not path.exists()
    assert holder(f"file://{tmp_path}", "dev") is None


def test_lock_of_a_zombie_process_is_released(tmp_path: Path) -> None:
    process = subprocess.Popen(["sleep", "60"])
    path = _write_lock(tmp_path, process.pid)
    process.kill()
    os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOWAIT)
    try:
        assert release_dead(f"file://{tmp_path}", "dev")
        assert not path.exists()
    finally:
        process.wait()


def test_lock_of_another_machine_or_stack_is_kept(tmp_path: Path) -> None:
    path = _write_lock(tmp_path, _dead_pid(), hostname="elsewhere")
    assert release_dead(f"file://{tmp_path}", "dev") == []
    assert release_dead(f"file://{tmp_path}", "prod") == []
    assert path.exists()


def test_locks_of_a_remote_backend_are_ignored() -> None:
    assert release_dead("s3://bucket", "dev") == []


def test_empty_attrs_file_of_a_stack_is_deleted_unless_the_stack_is_locked(tmp_path: Path) -> None:
    """Pulumi may leave an empty `.attrs` file if it is killed, and then cannot read the state beside this file."""
    folder = tmp_path / ".pulumi" / "stacks" / PROJECT
    folder.mkdir(parents=True)
    torn, whole, other = (folder / f"{name}.attrs" for name in ("dev.json", "dev.json.bak", "prod.json"))
    torn.touch()
    whole.write_text("{}")
    other.touch()
    lock = _write_lock(tmp_path, os.getpid())
    drop_torn(f"file://{tmp_path}", "dev")
    assert torn.exists()
    lock.unlink()
    drop_torn(f"file://{tmp_path}", "dev")
    assert (torn.exists(), whole.exists(), other.exists()) == (False, True, True)
    drop_torn("s3://bucket", "dev")
