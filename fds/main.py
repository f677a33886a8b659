"""Run the command line `fds`. Each verb is one module of this folder, with a function `command`."""

from __future__ import annotations

import contextlib
import functools
import importlib
import inspect
import io
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
from stack_runtime.unwritable import unwritable

app = typer.Typer(
    name="fds",
    help="A whole data platform on one budget server, and a gate in front of every change.",
    add_completion=False,
    pretty_exceptions_enable=False,
)


def _register() -> None:
    """Register each verb: the function `command` of a module, under the name of the module."""
    for module in pkgutil.iter_modules(fds.__path__):
        if not module.name.startswith("_") and module.name not in ("main", "output"):
            command = importlib.import_module(f"fds.{module.name}").command
            app.command(module.name, help=command.__doc__)(_verb(command))


def _verb(command: Callable[..., Any]) -> Callable[..., Any]:
    """Return `command` with the option `--debug`.

    If the command fails for another stack than `dev`, `--stack` is added to the `fds` commands that its error advises.
    """

    @functools.wraps(command)
    def call(*, debug: bool = False, **options: Any) -> Any:  # `run` looks for --debug in sys.argv
        try:
            return command(**options)
        except StackError as error:
            error.name_stack(options.get("stack") or "dev")
            raise
        except KeyboardInterrupt:  # caught here, because Typer would exit without a message
            _stopped()

    signature = inspect.signature(command, eval_str=True)
    option = inspect.Parameter("debug", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=Debug)
    call.__signature__ = signature.replace(parameters=[*signature.parameters.values(), option])  # type: ignore[attr-defined]
    return call


def _stopped() -> NoReturn:
    threading.excepthook = lambda _: None  # hide errors of the Pulumi SDK's threads, whose files are closed now
    error = StackError("stopped", next_command="the same command again, which continues")
    error.exit_code = 130  # the usual exit code after Ctrl-C
    if sys.stderr.isatty():
        print(file=sys.stderr)  # end the line that shows ^C or an unanswered question
    _end(error, None)


def _remind() -> None:
    """Print the temporary changes that have ended but are not reverted yet; for the verb `expire`, print nothing."""
    from agents.changes.expiry import overdue
    from stack_runtime.paths import project_dir

    if "expire" in sys.argv[1:2]:
        return
    with contextlib.suppress(UsageError):
        for proposal, stack, end in overdue(project_dir() / ".fds", datetime.now(UTC)):
            say(f"a temporary change of {stack} ended on {end[:16]} but is not reverted ({proposal}); next: fds expire")


def _where_the_engine_is() -> str:
    """Return advice on how to put `pulumi` on PATH; a project without the file `.fds/env` needs `fds setup` first."""
    from stack_runtime.paths import project_dir

    made = (project_dir() / ".fds" / "env").exists()
    return " (after `. .fds/env`)" if made else " (after `fds setup` and `. .fds/env`)"


def _prepare_streams() -> None:
    """Escape characters that the terminal cannot show, and replace output streams that the caller has closed."""
    sys.stdout, sys.stderr = sys.stdout or io.StringIO(), sys.stderr or io.StringIO()
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")


def run() -> None:
    """Run the command line; print a failure as one sentence, with `--json` also as JSON, and exit with its code."""
    _prepare_streams()
    _register()
    path = os.environ.get("PATH")  # saved now, because a deployment extends PATH
    try:
        _remind()
        code = app(args=sys.argv[1:] or ["--help"], standalone_mode=False)
    except (KeyboardInterrupt, typer.Abort):
        _stopped()
    except Exception as error:
        wrong_use = _wrong_use(error)
        if "--debug" in _own_words() and not wrong_use:
            raise
        _end(wrong_use or _known(error) or _unexpected(error), path)
    raise SystemExit(code or 0)


def _own_words() -> list[str]:
    """Return the arguments of the command line before `--`; those after it are for another program."""
    words = sys.argv[1:]
    return words[: words.index("--")] if "--" in words else words


def _known(error: Exception) -> StackError | None:
    """Return the error for an expected failure; None for any other failure."""
    return (
        error if isinstance(error, StackError) else connection_error(error) or failed_import(error) or unwritable(error)
    )


def _unexpected(error: Exception) -> StackError:
    words = shortened(error, 400) or type(error).__name__
    return StackError(f"unexpected: {words}", next_command="the same command with --debug")


def _wrong_use(error: Exception) -> UsageError | None:
    """Return the error for a command line that Typer refuses; None for any other failure."""
    message = getattr(error, "format_message", None)  # only Typer's refusals have this method
    if message is None:
        return None
    context = getattr(error, "ctx", None)
    return UsageError(
        " ".join(message().split()).rstrip("."), next_command=f"{context.command_path if context else 'fds'} --help"
    )


def _end(error: StackError, path: str | None) -> NoReturn:
    """Print the error and exit with its code.

    Args:
        path: the value of PATH when the command began; None for the current value.
    """
    if "--json" in _own_words():
        with contextlib.suppress(OSError):  # the disk that stdout writes to may be full
            print(json.dumps(error.as_json()), flush=True)
    lacks_engine = "pulumi " in error.next_command and shutil.which("pulumi", path=path) is None
    say(f"fds: {error}{_where_the_engine_is() if lacks_engine else ''}")
    raise SystemExit(error.exit_code) from None


if __name__ == "__main__":
    run()
