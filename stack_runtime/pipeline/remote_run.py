"""Run the pipeline in the stack's runner container: upload a CSV file, show the progress, and return the result."""

from __future__ import annotations

import json
import secrets
import tarfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from docker import DockerClient
from docker.errors import APIError
from docker.models.containers import Container

from stack_runtime.docker_exec import Execution
from stack_runtime.docker_host import runner
from stack_runtime.errors import StackError, UnreachableError
from stack_runtime.pipeline import landing
from stack_runtime.pipeline.paths import readable
from stack_runtime.text import Say

UPLOADS = f"/data/landing/{landing.UPLOADS}"
"""Folder of uploaded files in the runner. No entity reads this folder, so later runs do not load the files again."""
RUNNER_ID = 10001
"""User id and group id of the pipeline's process in the runner."""


def run_in_container(
    client: DockerClient, stack: str, csv: Path | None, say: Say, *, verb: str = "run", options: Sequence[str] = ()
) -> tuple[dict[str, Any], int]:
    """Run the pipeline of `stack` in the runner: load all rows of `csv`, or new data of the sources if `csv` is None.

    Args:
        client: client of the Docker daemon that the stack runs on, which is local or on a server.
        verb: verb of the pipeline's command line: `run`, or `diff`, which loads nothing.
        options: options of the verb.

    Returns: the JSON of the run, and the exit code.
    Raises:
        StackError: the runner refused to start the run, or does not answer.
    """
    file = readable(csv) if csv else None
    container = runner(client, stack)
    command = ["python", "-m", "stack_runtime.pipeline", verb, "--json", *options]
    uploaded = ""
    if file:
        say(f"copying {file.name} to the runner")
        uploaded = _upload(container, file)
        command += ["--upload", uploaded]
    code, document = _execute(container, command, say)
    if uploaded:  # in an error, name the file by the user's path, not by its path in the runner
        document |= {key: document[key].replace(uploaded, str(csv)) for key in ("error", "where") if document.get(key)}
    if "run_id" not in document:
        raise StackError.from_json(document)
    return document, code


def _upload(runner: Container, file: Path) -> str:
    """Copy `file` into a new folder in the landing volume. Returns: the path of the copy in the runner."""
    folder = secrets.token_hex(8)
    try:
        runner.put_archive(UPLOADS, _archive(folder, file))
    except APIError as error:
        raise UnreachableError(
            f"the file cannot be copied to the runner: {error.explanation}", next_command="fds doctor"
        ) from None
    return f"{UPLOADS}/{folder}/{file.name}"


def _archive(folder: str, file: Path) -> Iterator[bytes]:
    """Yield a tar archive with the folder and the file, in blocks of at most 1 MiB to limit memory."""
    size = file.stat().st_size
    top, member = tarfile.TarInfo(folder), tarfile.TarInfo(f"{folder}/{file.name}")
    top.type, top.mode, member.mode, member.size = tarfile.DIRTYPE, 0o700, 0o600, size
    for info in (top, member):
        info.uid = info.gid = RUNNER_ID
        yield info.tobuf(tarfile.PAX_FORMAT)
    left = size
    with file.open("rb") as content:
        while left:
            block = content.read(min(left, 1 << 20))
            if not block:
                raise UnreachableError("the file became shorter while it was copied", where=str(file))
            left -= len(block)
            yield block
    yield b"\0" * (-size % tarfile.BLOCKSIZE + 2 * tarfile.BLOCKSIZE)


def _execute(runner: Container, command: list[str], say: Say) -> tuple[int, dict[str, Any]]:
    try:
        execution = Execution(runner, command)
        answer, pending = bytearray(), bytearray()
        for out, log in execution.output():
            answer += out
            pending += log
            *lines, rest = pending.split(b"\n")
            pending = bytearray(rest)
            for line in lines:
                _report(bytes(line), say)
        return execution.code(), json.loads(answer)
    except APIError as error:
        raise UnreachableError(f"the runner does not answer: {error.explanation}", next_command="fds status") from None
    except ValueError:
        raise UnreachableError("the runner ended without an answer", next_command="fds logs pipeline") from None


def _report(line: bytes, say: Say) -> None:
    """Report the step that a line of the runner's log announces, or the line itself if it is not JSON."""
    try:
        event = json.loads(line)
        if event.get("event") == "step begins":
            say(event["step"])
    except (ValueError, AttributeError, KeyError):
        if text := line.decode(errors="replace").strip():
            say(text)
