"""What only a person can tell about a stack with a server: asked for once, checked, and kept in the stack file.

Every answer is kept as soon as it is checked, so that whoever stops half way is not asked again.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Protocol

from infra import cloud, token
from infra.deploy import Deployment
from infra.progress import Progress
from infra.services import selected
from infra.settings import Settings
from infra.stack_file import SECRETS, read, write
from stack_runtime.errors import StackError, UsageError
from stack_runtime.paths import PROJECT

TRIES = 3
"""How often the same question is asked when the answer is not usable."""

Say = Callable[[str], None]


class Ask(Protocol):
    """Puts a question to a person."""

    def __call__(self, question: str, *, hidden: bool = False) -> str:
        """The answer; `hidden` while it is typed."""


def complete(project: Path, stack: str, ask: Ask | None, say: Say) -> list[str]:
    """See to it that the stack file holds all that a deployment needs: token, domain, address, and every secret.

    Args:
        ask: how to reach a person, or None where nobody is there.
        say: takes lines for a person.

    Returns: what was stored, by name; never a value.

    Raises:
        UsageError: something is missing and nobody can be asked, or no usable answer came.
        UnreachableError: the API refuses the token, or does not answer.
    """
    if read(project, stack).host != "hetzner":
        return []
    deployment = Deployment(project, stack, Progress(None))
    sought = _Sought(deployment, ask, say)
    sought.refuse_without_a_person()
    return [*sought.token(), *sought.plain(), *sought.given_secrets(), *deployment.generate_secrets()]


class _Sought:
    """Looks for each thing where it may be, and asks for it only when it is nowhere."""

    def __init__(self, deployment: Deployment, ask: Ask | None, say: Say) -> None:
        self._deployment = deployment
        self._project, self._stack = deployment.project, deployment.settings.stack
        self._ask = ask
        self._say = say

    def refuse_without_a_person(self) -> None:
        """One sentence with all that is missing, where nobody can be asked."""
        if self._ask is not None:
            return
        commands = {} if token.find(self._stack) else {"a Hetzner token": "export HCLOUD_TOKEN=TOKEN"}
        for name in self._unset():
            commands[name] = f"pulumi config set {name} {name.upper()} --stack {self._stack}"
        for name in self._ungiven():
            commands[name] = f"pulumi config set --secret --path {SECRETS}.{name} --stack {self._stack}"
        if commands:
            raise UsageError(
                f"stack {self._stack} lacks {', '.join(commands)}, and there is no terminal to ask at",
                next_command=" && ".join([*commands.values(), f"fds setup --stack {self._stack}"]),
            )

    def token(self) -> list[str]:
        """A token that the API takes, from the variable, the stack file, or a person; kept when it is new."""
        stored, given = token.stored(self._stack), os.environ.get(token.VARIABLE, "")
        found = given or stored or self._usable("Hetzner Cloud API token (read and write)", cloud.verify, hidden=True)
        cloud.verify(found)
        if found == stored:
            return []
        self._deployment.keep_secret(token.KEY, found)
        token.tell(self._stack, {token.KEY: found})
        return ["token"]

    def plain(self) -> list[str]:
        """Domain and e-mail address."""
        questions = {
            "domain": "Domain (the dashboard will be at dashboard.DOMAIN)",
            "email": "E-mail address (for the certificate authority)",
        }
        unset = self._unset()
        for name in unset:
            answer = self._usable(questions[name], partial(self._check, name))
            write(self._project, self._stack, {name: answer})
        return unset

    def given_secrets(self) -> list[str]:
        """Secrets that a service needs and that nobody can generate."""
        ungiven = self._ungiven()
        for name in ungiven:
            answer = self._usable(f"Secret {name} (docs/server.md)", _not_empty, hidden=True)
            self._deployment.keep_secret(f"{PROJECT}:{SECRETS}.{name}", answer)
        return ungiven

    def _unset(self) -> list[str]:
        settings = read(self._project, self._stack)
        return [name for name, value in (("domain", settings.domain), ("email", settings.email)) if value in UNSET]

    def _ungiven(self) -> list[str]:
        settings = read(self._project, self._stack)
        asked = (name for service in selected(settings) for name in service.asked(settings))
        return sorted(set(asked) - set(self._deployment.secrets()))

    def _check(self, name: str, value: str) -> None:
        if value in UNSET:
            raise UsageError(f"a server needs its own {name}", next_command=f"pulumi config set {name} VALUE")
        Settings.of(self._stack, {name: value})

    def _usable(self, question: str, check: Callable[[str], None], *, hidden: bool = False) -> str:
        """An answer that passes `check`; whoever gives three that do not gets the reason of the last."""
        assert self._ask is not None
        for left in reversed(range(TRIES)):
            answer = self._ask(question, hidden=hidden)
            try:
                check(answer)
                return answer
            except StackError as error:
                if not left:
                    raise
                self._say(error.what)
        raise AssertionError("unreachable")


UNSET = ("", "localhost")
"""What stands for a domain and an address that nobody has given yet."""


def _not_empty(answer: str) -> None:
    if not answer:
        raise UsageError("nothing was given", next_command="fds setup")
