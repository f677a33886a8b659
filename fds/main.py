"""`fds`, the command line: every verb is one module of this folder with a function `command`."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import json
import os
import pkgutil
import shutil
import sys
import threading
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, NoReturn

import typer

import fds
from fds._connections import connection_error
from fds._imports import failed_import
from fds.output import Debug, say
from stack_runtime.errors import StackError, UsageError
from stack_runtime.text import shortened

app = typer.Typer(
    name="fds",
    help="A whole data platform on one budget server, and a gate in front of every change.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _register() -> None:
    """Register the `command` of each module as a verb with the name of the module."""
    for module in pkgutil.iter_modules(fds.__path__):
        if not module.name.startswith("_") and module.name not in ("main", "output"):
            command = importlib.import_module(f"fds.{module.name}").command
            app.command(module.name, help=command.__doc__)(_verb(command))


def _verb(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return the command with the option `--debug`; its errors name its stack in the next command."""

    @functools.wraps(command)
    def call(*, debug: bool = False, **options: Any) -> Any:  # the entry point `run` looks for --debug
        try:
            return command(**options)
        except StackError as error:
            error.name_stack(options.get("stack") or "dev")
            raise
        except KeyboardInterrupt:  # caught here, because the library would exit without a message
            _stopped()

    signature = inspect.signature(command, eval_str=True)
    option = inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Debug)
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    return call


def _stopped() -> NoReturn:
    threading.excepthook = lambda _: None  # threads of the engine's SDK fail now, because their files are closed
    print("fds: stopped; run the same command again to continue", file=sys.stderr)
    raise SystemExit(130)


def _remind() -> None:
    """Print which temporary changes should have ended, before any verb except `fds expire`, which reverts them."""
    from agents.changes.expiry import overdue
    from stack_runtime.paths import project_dir

    if "expire" in sys.argv[1:2]:
        return
    with contextlib.suppress(UsageError):
        for proposal, stack, end in overdue(project_dir() / ".fds", datetime.now(UTC)):
            say(f"a temporary change of {stack} ended on {end[:16]} but is not reverted ({proposal}); next: fds expire")


def _where_the_engine_is() -> str:
    """Return how to put `pulumi` on PATH for the next command; a new clone needs `fds setup` first."""
    from stack_runtime.paths import project_dir

    made = (project_dir() / ".fds" / "env").exists()
    return " (after `. .fds/env`)" if made else " (after `fds setup` and `. .fds/env`)"


def run() -> None:
    """Run the command line; an expected failure ends in one sentence and its exit code."""
    _register()
    path = os.environ.get("PATH")  # saved now, because a deployment extends PATH
    try:
        _remind()
        app()
    except StackError as error:
        if "--debug" in sys.argv:
            raise
        _end(error, path)
    except Exception as error:
        if "--debug" in sys.argv:
            raise
        if known := connection_error(error) or failed_import(error):
            _end(known, path)
        words = shortened(error, 400) or type(error).__name__
        print(f"fds: unexpected: {words}; next: the same command with --debug", file=sys.stderr)
        raise SystemExit(1) from None
    except KeyboardInterrupt:
        _stopped()


def _end(error: StackError, path: str | None) -> NoReturn:
    """Print the error and exit with its code.

    Args:
        path: the user's PATH.
    """
    if "--json" in sys.argv:
        print(json.dumps(error.as_json()))
    lacks_engine = "pulumi " in error.next_command and shutil.which("pulumi", path=path) is None
    print(f"fds: {error}{_where_the_engine_is() if lacks_engine else ''}", file=sys.stderr)
    raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    run()
