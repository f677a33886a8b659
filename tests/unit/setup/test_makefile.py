"""Test that the Makefile finds or downloads uv, even if the uv that created the virtualenv no longer exists."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.kit.project import ROOT

TOOLS = ("bash", "cat", "chmod", "make", "mkdir", "touch")
STAND_IN_PYTHON = """#!/bin/bash
# replaces `python3 -m venv FOLDER`: the created pip installs a uv that prints its arguments
mkdir -p "$3/bin"
cat > "$3/bin/pip" <<'PIP'
#!/bin/bash
printf '#!/bin/bash\\necho "uv $@"\\n' > "${0%/*}/uv"
chmod +x "${0%/*}/uv"
PIP
chmod +x "$3/bin/pip"
"""


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """Return a clone whose virtualenv was created by a uv that no longer exists."""
    for name in ("Makefile", "pyproject.toml", "uv.lock"):
        shutil.copy(ROOT / name, tmp_path / name)
    (tmp_path / "bin").mkdir()
    for tool in TOOLS:
        (tmp_path / "bin" / tool).symlink_to(str(shutil.which(tool)))
    python = tmp_path / "bin" / "python3"
    python.write_text(STAND_IN_PYTHON)
    python.chmod(0o755)
    (tmp_path / ".venv").mkdir()
    (tmp_path / ".venv" / ".ready").touch()
    return tmp_path


def _make(clone: Path, target: str) -> subprocess.CompletedProcess[str]:
    environment = {**os.environ, "PATH": str(clone / "bin")}
    return subprocess.run(
        ["make", "--no-print-directory", target],
        cwd=clone,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("target", ["setup", "down"])
def test_make_downloads_a_missing_uv(clone: Path, target: str) -> None:
    done = _make(clone, target)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == f"uv run --frozen fds {target}"


def test_second_make_does_not_download_uv_again(clone: Path) -> None:
    _make(clone, "setup")
    downloaded_at = (clone / ".fds" / "uv" / "bin" / "uv").stat().st_mtime_ns
    assert _make(clone, "setup").returncode == 0
    assert (clone / ".fds" / "uv" / "bin" / "uv").stat().st_mtime_ns == downloaded_at
