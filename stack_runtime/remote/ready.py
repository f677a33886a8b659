"""Wait until SSH, cloud-init and Docker of a server are ready; report each wait and stop at the deadline."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable
from functools import partial
from typing import TypeVar

import paramiko

from stack_runtime.errors import HostKeyError, UnreachableError
from stack_runtime.remote import HOST_COMMAND, Access
from stack_runtime.remote.connection import Connection
from stack_runtime.text import Say, shortened

DEADLINE_S = 900
"""Seconds to wait for a server. The first boot of a small server takes minutes, because it installs Docker."""
BOOT_S = 400.0
"""Seconds without output after which the command that repeats the first boot is given up and started again.

It is longer than the 300 s that the boot may wait for the data volume.
"""
GROW_S = 600.0
"""Seconds without output after which growing the file system fails."""
MEASURE_S = 60.0
"""Seconds without output after which starting the timer that measures the containers fails."""
PAUSE_S = 1.0
"""Seconds between two attempts to connect, or between two checks of cloud-init or Docker."""
REPORT_INTERVAL_S = 30.0
"""Seconds between two messages about the same wait."""

NO_SUDO = 127
"""Exit code of a shell that does not find `sudo`; early in the first boot, `sudo` may not be installed yet."""

Answer = TypeVar("Answer")


class _WaitReporter:
    """Report a wait after its first failed attempt, and then every `REPORT_INTERVAL_S` with the elapsed seconds.

    Args:
        what: the awaited program and its host, such as `Docker on 192.0.2.1`.
        hint: a possible cause of the delay.
    """

    def __init__(self, say: Say, what: str, hint: str = "") -> None:
        self._say, self._what, self._hint = say, what, f"; {hint}" if hint else ""
        self._began = self._next = time.monotonic()

    def wait(self) -> None:
        """Report the wait if a report is due; call this method after every failed attempt."""
        now = time.monotonic()
        if now >= self._next:
            seconds = now - self._began
            so_far = f", {seconds:.0f} s so far" if seconds >= 1 else ""
            self._say(f"waiting for {self._what}{so_far}{self._hint}")
            self._next = now + REPORT_INTERVAL_S


class _SharedConnection:
    """Share one connection among all commands, because a handshake is slower than a command.

    If the connection fails, the next command opens a new connection.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self._open: Connection | None = None

    def ask(self, question: Callable[[Connection], Answer]) -> Answer:
        """Call `question` with the connection and return its result.

        Raises:
            HostKeyError, paramiko.SSHException, OSError: see `Connection`; `question` may raise more.
        """
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
    access: Access, say: Say, deadline_s: float = DEADLINE_S, *, hint: str = "", measure: bool = False
) -> None:
    """Wait until the server has its permanent host key, has booted, uses the whole data volume, and runs Docker.

    Each step can be repeated, so that the next deployment completes the work of a killed deployment.

    Args:
        hint: a possible reason why SSH does not answer, for the messages.
        measure: whether to start the timer that measures the containers. A failure to start it is only reported.

    Raises:
        UnreachableError: the deadline passed, the first boot failed, or the file system cannot be grown. After a failed
            boot, the message has the last lines of the boot's log.
    """
    until = time.monotonic() + deadline_s
    with contextlib.closing(_SharedConnection(access)) as shared:
        _connect_permanently(shared, say, until, hint)
        _wait(shared, say, until, "cloud-init", _booted)
        _grow(shared)
        _wait(shared, say, until, "Docker", _docker_answers)
        if measure:
            _measure(shared, say)


def _grow(shared: _SharedConnection) -> None:
    """Grow the mounted file system of the data volume to the size of the volume."""
    code, text = _tried(shared, "grow", GROW_S)
    if code:
        reason = " ".join(text.split())
        raise UnreachableError(
            f"the file system on the data volume of {shared.access.address} cannot be grown: {reason}",
            next_command="fds up",
        )


def _measure(shared: _SharedConnection, say: Say) -> None:
    """Start the timer that measures the containers. Only report a failure: servers of an older `fds` have no timer."""
    code, text = _tried(shared, "measure", MEASURE_S)
    if code:
        say(f"the containers of {shared.access.address} are not measured: {shortened(text)}")


def _tried(shared: _SharedConnection, command: str, timeout: float) -> tuple[int, str]:
    """Return exit code and output of a command of `fds-host`; a failure of SSH counts as exit code 255."""
    try:
        return shared.ask(lambda connection: connection.run(f"sudo {HOST_COMMAND} {command}", timeout=timeout))
    except (paramiko.SSHException, OSError) as error:
        return 255, str(error) or type(error).__name__


def _connect_permanently(shared: _SharedConnection, say: Say, until: float, hint: str) -> None:
    """Connect and expect the permanent host key; a server that still has the boot key gets the permanent key first."""
    report = _WaitReporter(say, f"SSH at {shared.access.address}", hint)
    while True:
        try:
            return shared.ask(lambda _: None)
        except HostKeyError as error:
            if not _send_host_key(shared.access):
                raise
            _pause(until, f"the host key cannot be sent to {shared.access.address}: {error}")
        except (paramiko.SSHException, OSError) as error:
            report.wait()
            why = f"; {hint}" if hint else ""
            _pause(until, f"SSH at {shared.access.address} does not answer: {error}{why}")


def _send_host_key(access: Access) -> bool:
    """Send the permanent host key to a server in its first boot.

    Returns: whether a later attempt to connect may succeed. It cannot if the server does not have the boot key, or if
    the command that replaces the host key runs and fails.
    """
    try:
        with Connection(access, booting=True) as connection:
            code, _ = connection.run(f"sudo {HOST_COMMAND} host-key", stdin=access.host_key)
            return code in (0, NO_SUDO)
    except HostKeyError:
        return False
    except (paramiko.SSHException, OSError):
        return True


def _wait(shared: _SharedConnection, say: Say, until: float, what: str, done: Callable[[Connection], bool]) -> None:
    report = _WaitReporter(say, f"{what} on {shared.access.address}")
    while True:
        with contextlib.suppress(paramiko.SSHException, OSError):
            if shared.ask(done):
                return
        report.wait()
        _pause(until, f"{what} was not ready in time on {shared.access.address}:\n", partial(_boot_log, shared))


def _booted(connection: Connection) -> bool:
    # Read this file, which exists as soon as the boot has ended. `cloud-init status` also reads it, but takes 0.3 s.
    code, text = connection.run("cat /run/cloud-init/result.json")
    try:
        errors = None if code else json.loads(text)["v1"]["errors"]
    except (ValueError, LookupError, TypeError):
        errors = None  # the file is not complete yet
    if errors is None:
        return False
    if not errors:
        return True
    if connection.run(f"sudo {HOST_COMMAND} boot", timeout=BOOT_S)[0] == 0:
        return True  # probably, the data volume or a package mirror was not available at the first boot
    log = connection.run(f"sudo {HOST_COMMAND} boot-log")[1]
    raise UnreachableError(
        f"the first boot of the server failed:\n{log.strip()}\n",
        next_command="fds up, which repeats the boot; if that fails too, fds down and fds up make a new server",
    )


def _docker_answers(connection: Connection) -> bool:
    return connection.run("docker version --format '{{.Server.Version}}'")[0] == 0


def _boot_log(shared: _SharedConnection) -> str:
    try:
        return shared.ask(lambda connection: connection.run(f"sudo {HOST_COMMAND} boot-log"))[1].strip()
    except (UnreachableError, paramiko.SSHException, OSError):
        return "(no log could be read)"


def _pause(until: float, reason: str, log: Callable[[], str] = str) -> None:
    if time.monotonic() > until:
        raise UnreachableError(reason + log(), next_command="look at the server's console, then fds up again")
    time.sleep(PAUSE_S)
