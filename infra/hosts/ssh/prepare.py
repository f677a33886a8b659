"""Prepare a server that its owner already has, and remove the stack's login from it when the stack is removed."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence
from hashlib import sha256
from importlib.resources import files

from infra.engine.stack_operations import StackOperations
from infra.hosts import container_metrics, measuring
from infra.hosts.daemon import daemon_settings
from infra.hosts.ssh import known
from infra.hosts.ssh.commands import NO_REASON, SSH_FAILED, Server
from stack_runtime.errors import StackError, UnreachableError
from stack_runtime.remote import key_file, write_private
from stack_runtime.remote.keys import public_half
from stack_runtime.text import Say, last_line, shortened

TIMER = container_metrics.TIMER.name


def prepare(operations: StackOperations, say: Say, ports: Sequence[int] = ()) -> None:
    """Create the deploy user and install Docker, unless this user can already log in and use Docker.

    Every step can be repeated, so the next deployment completes what a killed deployment began.

    Args:
        ports: ports that must be free, unless a container of this stack holds them.

    Raises:
        HostKeyError: the server shows a host key other than the pinned one, or none is pinned yet.
        UnreachableError: the server refuses the login of its owner, or cannot be prepared.
    """
    settings = operations.settings
    known.check(settings, operations.project)
    operations.generate_secrets()
    server = Server.of(settings, operations.project)
    private = operations.secrets()["ssh_key"]
    write_private(key_file(server.folder), private)
    if server.accepts_deploy_user():
        return
    say(f"preparing {settings.ssh_host} as {settings.ssh_user}")
    words = (public_half(private), json.dumps(daemon_settings(settings)), " ".join(map(str, ports)), settings.stack)
    _as_root(server, say, "prepare", *words)
    if not server.accepts_deploy_user():
        raise UnreachableError(
            f"{settings.ssh_host} refuses the login of the user deploy, although its key is installed",
            next_command="look at AllowUsers and AllowGroups of its SSH server, then fds up",
        )


def measure(operations: StackOperations, say: Say) -> None:
    """Install the timer that measures the containers, unless it runs and its files are up to date.

    A failed installation is reported, not raised: it needs the login of the server's owner, which may not work any more
    after the first deployment.
    """
    server, program = Server.of(operations.settings, operations.project), measuring.program()
    try:
        if server.as_deploy(_installation_check(program)).returncode:
            _as_root(server, say, "measure", program)
    except UnreachableError as error:
        say(f"the containers of {operations.settings.ssh_host} are not measured: {error}")


def _installation_check(program: str) -> str:
    """Return a command that succeeds if the timer runs and every file has the content that an installation writes."""
    texts = {container_metrics.PROGRAM: program, **container_metrics.UNITS}
    sums = "".join(f"{sha256(text.encode()).hexdigest()}  {path}\n" for path, text in texts.items())
    return f"systemctl is-active --quiet {TIMER} && printf %s {shlex.quote(sums)} | sha256sum --check --status"


def leave(operations: StackOperations, say: Say) -> None:
    """Remove the stack's key from the server; if it is the last key, also remove the user `deploy`.

    A failure is only reported, because the stack is already removed.
    """
    server = Server.of(operations.settings, operations.project)
    try:
        _as_root(server, say, "leave", public_half(operations.secrets()["ssh_key"]))
    except StackError as error:
        say(f"the user deploy remains on {operations.settings.ssh_host}: {error}")
        return
    key_file(server.folder).unlink(missing_ok=True)


def _as_root(server: Server, say: Say, *words: str) -> None:
    """Run `fds-server.sh` as root on the server, and pass its output to `say`."""
    script = files("infra.hosts.ssh").joinpath("fds-server.sh").read_text(encoding="utf-8")
    done = server.as_root(script, *words)
    for line in done.stdout.splitlines():
        say(f"  {shortened(line, 300)}")
    if done.returncode == SSH_FAILED:
        user, host = server.settings.ssh_user, server.settings.ssh_host
        raise UnreachableError(
            f"{host} refuses the login of {user}: {last_line(done.stderr, NO_REASON)}",
            next_command=f"ssh-add the key that {shlex.quote(f'{user}@{host}')} takes, or correct sshUser, then fds up",
        )
    if done.returncode:
        raise UnreachableError(
            f"{server.settings.ssh_host}: {last_line(done.stderr, NO_REASON)}",
            next_command="correct it on the server, then fds up",
        )
