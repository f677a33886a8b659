"""Ask a person for the missing values of a stack on a server, check them, and store them in the stack file.

A value is stored as soon as it is complete and checked, so it is not asked for again after an abort.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from functools import partial
from pathlib import Path
from typing import Protocol

from infra.engine.progress import Progress
from infra.engine.stack_operations import StackOperations
from infra.hosts import host_of
from infra.services import selected
from infra.settings import Settings
from infra.stack_file import config, read, write
from infra.stack_secrets import SECRETS, readable
from stack_runtime.errors import StackError, UsageError
from stack_runtime.paths import PROJECT
from stack_runtime.text import Say

TRIES = 3
"""Maximum number of times that a question is asked, if the answers are invalid."""


class Ask(Protocol):
    """Function that asks a person a question."""

    def __call__(self, question: str, *, hidden: bool = False) -> str:
        """Return the answer; with `hidden`, the answer is not shown while the person types."""


def complete(project: Path, stack: str, ask: Ask | None, say: Say) -> list[str]:
    """Store in the stack file all values that a deployment needs, such as token, domain, e-mail address and secrets.

    Args:
        ask: asks a person; None without a terminal.
        say: called with each line for a person.

    Returns: the names of the stored values.

    Raises:
        UsageError: a value is missing and nobody can be asked, or three answers were invalid.
        UnreachableError: the API refuses the token, or does not answer.
    """
    host = host_of(read(project, stack))
    if not host.needs_setup:
        return []
    if ask is None:
        refuse_incomplete(project, stack)
    deployment = StackOperations(project, stack, Progress(None))
    prompter = SetupPrompter(deployment, ask, say)
    return [*host.prompt(prompter), *prompter.plain(), *prompter.given_secrets(), *deployment.generate_secrets()]


def refuse_incomplete(project: Path, stack: str) -> None:
    """Raise one error that names all missing values that only a person can provide. Nothing is written.

    Raises:
        UsageError: at least one value is missing.
    """
    known = config(project, stack)
    settings = read(project, stack)
    commands = host_of(settings).missing(settings, known)
    for name in _unset(settings):
        commands[name] = f"pulumi config set {name} {name.upper()} --stack {stack}"
    for name in _ungiven(settings, readable(known)):
        commands[name] = f"pulumi config set --secret --path {SECRETS}.{name} --stack {stack}"
    if commands:
        steps = list(commands.values())
        first = next((number for number, step in enumerate(steps) if step.startswith("pulumi")), len(steps))
        steps[first:first] = [f"pulumi stack select --create {stack}"] if first < len(steps) else []
        raise UsageError(
            f"stack {stack} lacks {', '.join(commands)}, and there is no terminal to ask at",
            next_command=" && ".join([*steps, f"fds setup --stack {stack}"]),
        )


def _unset(settings: Settings) -> list[str]:
    return [name for name, value in (("domain", settings.domain), ("email", settings.email)) if value in UNSET]


def _ungiven(settings: Settings, given: Collection[str] | None) -> list[str]:
    """Return the names of the missing secrets that only the user can provide.

    Args:
        given: names of the secrets in the stack file. None if they cannot be read; then none counts as missing.
    """
    asked = {name for service in selected(settings) for name in service.asked(settings)}
    return [] if given is None else sorted(asked - set(given))


class SetupPrompter:
    """Prompter that asks a person only for values that are not stored yet."""

    def __init__(self, deployment: StackOperations, ask: Ask | None, say: Say) -> None:
        self.deployment = deployment
        self.project, self.stack = deployment.project, deployment.settings.stack
        self.ask = ask
        self._say = say

    def plain(self) -> list[str]:
        """Ask for domain and e-mail address if they are missing. Returns: names of the stored values."""
        questions = {
            "domain": "Domain (the dashboard will be at dashboard.DOMAIN)",
            "email": "E-mail address (for the certificate authority)",
        }
        unset = _unset(read(self.project, self.stack))
        for name in unset:
            answer = self.usable(questions[name], partial(self._check, name))
            write(self.project, self.stack, {name: answer})
        return unset

    def given_secrets(self) -> list[str]:
        """Ask for missing secrets that a service needs and that cannot be generated. Returns: their names."""
        ungiven = _ungiven(read(self.project, self.stack), self.deployment.secrets())
        for name in ungiven:
            answer = self.usable(f"Secret {name} (docs/server.md)", _not_empty, hidden=True)
            self.deployment.keep_secret(f"{PROJECT}:{SECRETS}.{name}", answer)
        return ungiven

    def _check(self, name: str, value: str) -> None:
        if value in UNSET:
            raise UsageError(f"a server needs its own {name}", next_command=f"pulumi config set {name} VALUE")
        Settings.of(self.stack, {name: value})

    def usable(self, question: str, check: Callable[[str], None], *, hidden: bool = False) -> str:
        """Return an answer that passes `check`; after three invalid answers, raise the error of the last."""
        assert self.ask is not None
        for left in reversed(range(TRIES)):
            answer = self.ask(question, hidden=hidden)
            try:
                check(answer)
                return answer
            except StackError as error:
                if not left:
                    raise
                self._say(error.what)
        raise AssertionError("unreachable")


UNSET = ("", "localhost")
"""Values of `domain` and `email` that count as missing."""


def _not_empty(answer: str) -> None:
    if not answer:
        raise UsageError("no value was given", next_command="fds setup")
