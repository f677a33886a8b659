"""Identify a stack: its identity is created once and stored as a tag of the stack in the Pulumi state.

If clones of a project use the same Pulumi state, a stack has the same identity in all of them. In a clone with its own
Pulumi state, the stack of the same name has another identity.
"""

from __future__ import annotations

import fcntl
import getpass
import json
import os
import re
import secrets
import socket
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from infra.engine.environment import backend_folder, environment
from infra.engine.state_edits import Deployment, recorded_identity
from stack_runtime.errors import StackError

TAG = "fds:identity"
_LONGEST_NAME = 40
"""Maximum length of user and machine together in an identity; Hetzner's label values have at most 63 characters."""


@dataclass(frozen=True)
class Owner:
    """The stack that a command works for, as the owner of resources.

    Args:
        identity: the identity of the stack; a new one if the stack has none yet.
        record: returns the exported state of the stack. A resource without a mark of its owner belongs to the stack if
            this state has the id of the resource.
    """

    identity: str
    record: Callable[[], Deployment]


class EngineState:
    """Access to one stack in the Pulumi state through the `pulumi` command line, to read it and to set its identity.

    Args:
        project: the folder of `Pulumi.yaml`.
        variables: environment variables to add for `pulumi`; empty in a program that `pulumi` itself started.
    """

    def __init__(self, project: Path, stack: str, variables: Mapping[str, str]) -> None:
        self._project = project
        self._stack = stack
        self._variables = variables

    def identity(self) -> str:
        """Return the stack's identity; empty when it has none, or when the Pulumi state has no such stack.

        Raises:
            StackError: the engine cannot read the state.
        """
        listed = self._pulumi("stack", "tag", "ls", "--json")
        return str(json.loads(listed).get(TAG, "")) if listed else ""

    def owner(self, *, write: bool) -> Owner:
        """Return the stack's identity and its state.

        A stack without an identity gets the identity in its exported state (for example after a move to
        another backend), or a new identity.

        Args:
            write: whether to store this identity as a tag; False for commands that only read.

        Raises:
            StackError: the engine cannot read or write the state.
        """
        if found := self.identity():
            return Owner(found, self.record)
        if not write:
            return Owner(recorded_identity(self.record()) or new(), self.record)
        lock = self._project / ".fds" / "identity.lock"
        lock.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with lock.open("w") as held:
            fcntl.flock(held, fcntl.LOCK_EX)  # else two deployments at once could each store a new identity
            identity = self.identity()
            if not identity:
                identity = recorded_identity(self.record()) or new()
                self._pulumi("stack", "tag", "set", TAG, identity)
        return Owner(identity, self.record)

    def record(self) -> Deployment:
        """Return the exported state; empty for a stack that was never created."""
        exported = self._pulumi("stack", "export")
        return dict(json.loads(exported).get("deployment") or {}) if exported else {}

    def _pulumi(self, *words: str) -> str:
        """Run `pulumi` and return its standard output; empty when the Pulumi state has no such stack."""
        root = backend_folder(self._variables.get("PULUMI_BACKEND_URL", ""))
        if root is not None and not root.is_dir():
            return ""  # do not call the engine: it would create the missing folder, even to list stacks
        done = subprocess.run(
            ["pulumi", *words, "--stack", self._stack, "--non-interactive"],
            cwd=self._project,
            env={**os.environ, **self._variables},
            capture_output=True,
            text=True,
        )
        if done.returncode and "no stack named" in done.stderr:
            return ""
        if done.returncode:
            from infra.engine.errors import to_stack_error  # imported here: it takes 0.3 s, and only failures need it

            raise to_stack_error(" ".join(done.stderr.split()) or "the engine gave no reason", self._stack)
        return done.stdout


def of_project(project: Path, stack: str) -> Owner:
    """Return the identity and the Pulumi state of the project's stack `stack`, for commands that only read.

    Raises:
        UnreachableError: the engine is missing.
        StackError: the engine cannot read the state.
    """
    return _reading(project, stack).owner(write=False)


def find_identity(project: Path, stack: str) -> str | None:
    """Return the identity of `stack`; empty if it has none, None if no engine can read it, as in the agents' image."""
    try:
        return _reading(project, stack).identity()
    except StackError:
        return None


def _reading(project: Path, stack: str) -> EngineState:
    return EngineState(project, stack, environment(project, stack, make=False))


def new() -> str:
    """Return a new identity: names of user and machine, which tell people where it was created, and a random part.

    It is a valid value of a label: at most 63 letters, digits and hyphens, with a letter or digit at both ends.
    """
    try:
        user = getpass.getuser()
    except (KeyError, OSError):  # the user database has no entry for this user
        user = ""
    name = re.sub("[^a-z0-9]+", "-", f"{user}-{socket.gethostname()}".lower())[:_LONGEST_NAME].strip("-")
    return f"{name}-{secrets.token_hex(4)}".lstrip("-")
