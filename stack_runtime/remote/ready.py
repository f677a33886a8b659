"""Waiting for a server: SSH, then cloud-init, then Docker, each with a deadline and a word to whoever waits."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import paramiko

from stack_runtime.errors import UnreachableError
from stack_runtime.remote import HOST_COMMAND, Access
from stack_runtime.remote.connection import Connection

DEADLINE_S = 900
"""A first boot installs Docker from the distribution; on a small server that takes minutes."""
BOOT_S = 400.0
"""The last step of the boot once more: it waits for the data volume for 300 s, without a word."""
GROW_S = 600.0
PAUSE_S = 1.0
AGAIN_S = 30.0
"""Interval between two messages about the same wait."""

NO_SUDO = 127
"""Exit code of a shell that does not find `sudo`, which the boot may still be installing."""

Answer = TypeVar("Answer")


class _Words:
    """Report a wait: once at its start, then every `AGAIN_S` with the elapsed seconds.

    Args:
        what: the thing to wait for, and where.
        hint: a possible cause of the delay.
    """

    def __init__(self, say: Callable[[str], None], what: str, hint: str = "") -> None:
        self._say, self._what, self._hint = say, what, f"; {hint}" if hint else ""
        self._began = self._next = time.monotonic()

    def wait(self) -> None:
        """Report the wait if it is time; call this after every failed attempt."""
        now = time.monotonic()
        if now >= self._next:
            seconds = now - self._began
            so_far = f", {seconds:.0f} s so far" if seconds >= 1 else ""
            self._say(f"waiting for {self._what}{so_far}{self._hint}")
            self._next = now + AGAIN_S


class _Line:
    """One connection for every question, for a handshake takes longer than an answer; a broken one is opened anew."""

    def __init__(self, access: Access) -> None:
        self.access = access
        self._open: Connection | None = None

    def ask(self, question: Callable[[Connection], Answer]) -> Answer:
        """What `question` finds out on the connection; raises as that does, and as `Connection` does."""
        self._open = self._open or Connection(self.access)
        try:
            return question(self._open)
        except (paramiko.SSHException, OSError):
            self.close()
            raise

    def close(self) -> None:
        if self._open is not None:
            self._open.close()
            self._open = None


def wait_until_ready(
    access: Access, say: Callable[[str], None], deadline_s: float = DEADLINE_S, *, hint: str = ""
) -> None:
    """Return once Docker answers on the server, with the lasting host key in place and its data disk in full use.

    Each step may be repeated, so the next deployment finishes what a killed one left undone.

    Args:
        hint: a possible reason why SSH does not answer, in a few words.

    Raises:
        UnreachableError: the deadline passed, or the first boot failed; the message has cloud-init's last lines.
    """
    until = time.monotonic() + deadline_s
    with contextlib.closing(_Line(access)) as line:
        _secured(line, say, until, hint)
        _wait(line, say, until, "cloud-init", _booted)
        _grow(line)
        _wait(line, say, until, "Docker", _docker_answers)


def _grow(line: _Line) -> None:
    """Let the file system of the data volume take all of a volume that has grown; it stays mounted meanwhile."""
    code, text = line.ask(lambda connection: connection.run(f"sudo {HOST_COMMAND} grow", timeout=GROW_S))
    if code:
        reason = " ".join(text.split())
        raise UnreachableError(
            f"the file system on the data volume of {line.access.address} does not grow: {reason}",
            next_command="fds up",
        )


def _secured(line: _Line, say: Callable[[str], None], until: float, hint: str) -> None:
    """Connect with the lasting host key; at the first boot, hand it over through the boot key's connection."""
    words = _Words(say, f"SSH at {line.access.address}", hint)
    while True:
        try:
            return line.ask(lambda _: None)
        except UnreachableError as error:
            if not _hand_over(line.access):
                raise
            _pause(until, f"the host key of {line.access.address} cannot be handed over: {error}")
        except (paramiko.SSHException, OSError) as error:
            words.wait()
            why = f"; {hint}" if hint else ""
            _pause(until, f"SSH at {line.access.address} does not answer: {error}{why}")


def _hand_over(access: Access) -> bool:
    """Give the server its lasting host key; False when it is not our freshly booted server either."""
    try:
        with Connection(access, booting=True) as connection:
            code, _ = connection.run(f"sudo {HOST_COMMAND} host-key", stdin=access.host_key)
            return code in (0, NO_SUDO)
    except UnreachableError:
        return False
    except (paramiko.SSHException, OSError):
        return True


def _wait(line: _Line, say: Callable[[str], None], until: float, what: str, done: Callable[[Connection], bool]) -> None:
    words = _Words(say, f"{what} on {line.access.address}")
    while True:
        with contextlib.suppress(paramiko.SSHException, OSError):
            if line.ask(done):
                return
        words.wait()
        _pause(until, f"{what} was not ready in time on {line.access.address}:\n", partial(_boot_log, line))


def _booted(connection: Connection) -> bool:
    # What `cloud-init status` reads, which takes a third of a second to tell it; it is there once the boot is over.
    code, text = connection.run("cat /run/cloud-init/result.json")
    if code:
        return False
    if not json.loads(text)["v1"]["errors"]:
        return True
    if connection.run(f"sudo {HOST_COMMAND} boot", timeout=BOOT_S)[0] == 0:
        return True  # the data volume or a package mirror was not there in time, and is there now
    log = connection.run(f"sudo {HOST_COMMAND} boot-log")[1]
    raise UnreachableError(
        f"the first boot of the server failed:\n{log.strip()}\n",
        next_command="fds up, which repeats the boot; if that fails too, fds down and fds up make a new server",
    )


def _docker_answers(connection: Connection) -> bool:
    return connection.run("docker version --format '{{.Server.Version}}'")[0] == 0


def _boot_log(line: _Line) -> str:
    try:
        return line.ask(lambda connection: connection.run(f"sudo {HOST_COMMAND} boot-log"))[1].strip()
    except (UnreachableError, paramiko.SSHException, OSError):
        return "(no log could be read)"


def _pause(until: float, reason: str, log: Callable[[], str] = str) -> None:
    if time.monotonic() > until:
        raise UnreachableError(reason + log(), next_command="look at the server's console, then fds up again")
    time.sleep(PAUSE_S)
