"""Command lines of ours, each in a process of its own, forked from one that knows dbt.

To import dbt and to parse for the first time takes a new process six seconds of the processor, more than all else that
a run of a small file does.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import runpy
import signal
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

from stack_runtime.pipeline.paths import DBT_PROJECT, ROOT


def run(words: Sequence[str], environment: Mapping[str, str]) -> subprocess.CompletedProcess[str]:
    """`python -m MODULE ARGUMENTS…`, begun and ended; one at a time.

    Args:
        words: the module and its arguments.
        environment: the whole environment of the process.
    """
    server = _server()
    assert server.stdin and server.stdout
    with tempfile.TemporaryDirectory() as folder:
        files = [Path(folder) / name for name in ("stdout", "stderr")]
        asked = {"words": [*words], "environment": {**environment}, "files": [*map(str, files)]}
        try:
            print(json.dumps(asked), file=server.stdin, flush=True)
            code = int(server.stdout.readline())
        except BaseException:  # such as the end of a test's time
            os.killpg(server.pid, signal.SIGKILL)
            _server.cache_clear()
            raise
        return subprocess.CompletedProcess(words, code, *(file.read_text() for file in files))


@cache
def _server() -> subprocess.Popen[str]:
    """Ends with this process, which holds its standard input."""
    words = [sys.executable, "-m", "tests.kit.forked"]
    return subprocess.Popen(
        words, cwd=ROOT, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, start_new_session=True
    )


def _serve() -> None:
    """Fork at each line of standard input, and say how that process ended."""
    _learn()
    for line in sys.stdin:
        child = os.fork()
        if not child:
            return _become(**json.loads(line))
        print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)


def _learn() -> None:
    import duckdb
    from dbt.cli.main import dbtRunner

    importlib.import_module("stack_runtime.pipeline.run")
    os.environ["FDS_DUCKDB_PATH"] = "none.duckdb"
    with tempfile.TemporaryDirectory() as folder:
        paths = {"project-dir": DBT_PROJECT, "profiles-dir": DBT_PROJECT, "target-path": folder, "log-path": folder}
        words = [word for name, place in paths.items() for word in (f"--{name}", str(place))]
        assert dbtRunner().invoke(["--log-level", "none", "--no-send-anonymous-usage-stats", "parse", *words]).success
    duckdb.close()  # the connection that its import opens has a thread, which no fork takes along
    gc.collect()
    gc.freeze()  # what a child did not make it need not look through for garbage


def _become(words: list[str], environment: dict[str, str], files: list[str]) -> None:
    for number, file in enumerate((os.devnull, *files)):
        os.dup2(os.open(file, os.O_RDWR | os.O_CREAT), number)
    os.environ.clear()
    os.environ.update(environment)
    sys.argv = words
    runpy.run_module(words[0], run_name="__main__", alter_sys=True)


if __name__ == "__main__":
    _serve()
