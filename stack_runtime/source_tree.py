"""Find the sources that images and Meltano's environment are built from.

They are the repository, or inside an image what was copied from it. A wheel has the same files in another layout, so
they are copied into the cache, where both builds work as in the repository.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterator
from functools import cache
from pathlib import Path

from stack_runtime.paths import cache_dir

_HERE = Path(__file__).resolve().parents[1]
_PACKAGES = ("agents", "data_stack", "infra", "stack_runtime")
_ROOT_FILES = {"pyproject.toml": "pyproject.toml", "uv.lock": "uv.lock", ".dockerignore": "dockerignore"}
"""Files at the root of the repository, and their names in the folder of the wheel."""
_IN_WHEEL = "freelancer_data_stack"
_STAMP = ".copied-from"


@cache
def source_tree() -> Path:
    """Return the root of the sources; copy those of an installed wheel first if the copy is missing or outdated."""
    if (_HERE / "uv.lock").is_file():
        return _HERE
    target = cache_dir() / "sources" / hashlib.sha256(str(_HERE).encode()).hexdigest()[:16]
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{target.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = _fingerprint()
        if not (target / _STAMP).is_file() or (target / _STAMP).read_text() != stamp:
            _replace(target, stamp)
    return target


def _files() -> Iterator[tuple[str, Path]]:
    """Yield each file by its name in the repository."""
    for name, in_wheel in _ROOT_FILES.items():
        yield name, _HERE / _IN_WHEEL / in_wheel
    for package in _PACKAGES:
        for path in sorted((_HERE / package).rglob("*")):
            if path.is_file() and "__pycache__" not in path.parts:
                yield str(path.relative_to(_HERE)), path


def _fingerprint() -> str:
    """Return a digest of names, sizes and times; contents would be read on every start."""
    digest = hashlib.sha256(str(_HERE).encode())
    for name, path in _files():
        found = path.stat()
        digest.update(f"\0{name}\0{found.st_size}\0{found.st_mtime_ns}".encode())
    return digest.hexdigest()


def _replace(target: Path, stamp: str) -> None:
    """Copy the sources beside `target`, then put the copy in its place; after a kill there is no stamp."""
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="draft-") as work:
        draft = Path(work) / "sources"
        for name, path in _files():
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, draft / name)
        (draft / _STAMP).write_text(stamp)
        if target.exists():
            target.rename(Path(work) / "former")
        draft.rename(target)
