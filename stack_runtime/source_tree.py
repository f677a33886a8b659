"""Find the sources from which images and Meltano's virtualenv are built.

In a clone, the sources are the repository; in an image, they are the files that were copied from the repository. A
wheel has the same files in another layout. These files are copied into the cache in the layout of the repository,
because the builds of images and of the virtualenv need this layout.
"""

from __future__ import annotations

import fcntl
import hashlib
import shutil
import tempfile
from collections.abc import Iterable, Iterator
from functools import cache
from pathlib import Path

from stack_runtime.paths import cache_dir

_HERE = Path(__file__).resolve().parents[1]
_PACKAGES = ("agents", "data_stack", "infra", "stack_runtime")
_ROOT_FILES = {"pyproject.toml": "pyproject.toml", "uv.lock": "uv.lock", ".dockerignore": "dockerignore"}
"""Files at the root of the repository, and their names in the folder of the wheel."""
_IN_WHEEL = "freelancer_data_stack"
_STAMP = ".copied-from"
_NOT_COPIED = {"__pycache__", ".meltano"}
"""Folders that Python and Meltano create in source folders; they are not copied."""


@cache
def source_tree() -> Path:
    """Return the root of the sources; for an installed wheel, this is a copy in the cache, which is kept up to date."""
    if _is_repository():
        return _HERE
    return copied_tree("sources", _HERE, source_files())


def source_files() -> Iterator[tuple[str, Path]]:
    """Yield two paths for each source file: its path in the repository, and the path to read it from."""
    for name, in_wheel in _ROOT_FILES.items():
        yield name, _HERE / name if _is_repository() else _HERE / _IN_WHEEL / in_wheel
    for package in _PACKAGES:
        yield from files_below(_HERE / package, package)


def files_below(folder: Path, name: str) -> Iterator[tuple[str, Path]]:
    """Yield two paths for each source file below `folder`: one with `name` in place of `folder`, and the real path."""
    for path in sorted(folder.iterdir()):
        if path.is_dir():
            if path.name not in _NOT_COPIED:
                yield from files_below(path, f"{name}/{path.name}")
        elif path.is_file():
            yield f"{name}/{path.name}", path


def copied_tree(kind: str, origin: Path, files: Iterable[tuple[str, Path]]) -> Path:
    """Return a folder in the cache with a copy of exactly these files; repeat the copy if a file has changed.

    Args:
        kind: name of a folder in the cache.
        origin: folder that the files are from; each origin has a separate copy.
        files: for each file, the path in the copy and the path to copy from.
    """
    found = list(files)
    target = cache_dir() / kind / hashlib.sha256(str(origin).encode()).hexdigest()[:16]
    target.parent.mkdir(parents=True, exist_ok=True)
    with (target.parent / f"{target.name}.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        stamp = _fingerprint(found)
        if not (target / _STAMP).is_file() or (target / _STAMP).read_text() != stamp:
            _replace(target, found, stamp)
    return target


def _is_repository() -> bool:
    """Return whether this module is in the repository or an image, and not in a wheel."""
    return (_HERE / "uv.lock").is_file()


def _fingerprint(files: Iterable[tuple[str, Path]]) -> str:
    """Return a digest of paths, modes, sizes and times; reading the contents would slow down every start."""
    digest = hashlib.sha256()
    for name, path in files:
        found = path.stat()
        digest.update(f"\0{name}\0{path}\0{found.st_mode}\0{found.st_size}\0{found.st_mtime_ns}".encode())
    return digest.hexdigest()


def _replace(target: Path, files: Iterable[tuple[str, Path]], stamp: str) -> None:
    """Copy the files into a draft beside `target`, then replace `target` by the draft.

    If the process is killed before the last step, `target` is old or missing, so the next call copies again.
    """
    with tempfile.TemporaryDirectory(dir=target.parent, prefix="draft-") as work:
        draft = Path(work) / "copy"
        for name, path in files:
            (draft / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(path, draft / name)
        (draft / _STAMP).write_text(stamp)
        if target.exists():
            target.rename(Path(work) / "former")
        draft.rename(target)
