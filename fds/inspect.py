"""`fds inspect`: describe a CSV file and how it would be loaded; with --write, declare it in the project."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Any

import typer

from fds._inspected import command_line, show
from fds.output import AsJson, Stack, answer, ask, say

File = Annotated[Path, typer.Argument(metavar="FILE", help="The CSV file.")]
Entity = Annotated[str | None, typer.Option("--entity", help="Name of the entity; default: from the file's name.")]
Key = Annotated[list[str] | None, typer.Option("--key", help="Column that identifies a row; repeat it for several.")]
Generated = Annotated[
    str | None, typer.Option("--generated-key", help="Name of a key column to add, instead of --key.")
]
Column = Annotated[list[str] | None, typer.Option("--column", metavar="NAME=TYPE", help="Type of a column.")]
Set = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="NAME=VALUE", help="A setting of tap-csv; lists and objects are JSON."),
]
Write = Annotated[bool, typer.Option("--write", help="Add the entity and a staging model to the project.")]

_LISTS = ("ignore_rows", "null_words", "currency_signs", "negatives", "date_formats")
"""Format settings whose value is a list of texts."""
_OBJECTS = ("renames", "constants", "debit_credit")
"""Settings whose value is a JSON object."""

_OWN_OPTIONS = ("entity", "path", "paths", "keys", "generated_key", "columns")


def command(
    file: File,
    entity: Entity = None,
    key: Key = None,
    generated_key: Generated = None,
    column: Column = None,
    set_: Set = None,
    write: Write = False,
    stack: Stack = "dev",
    as_json: AsJson = False,
) -> None:
    """Describe a CSV file and how it would be loaded; with --write, declare it in the project."""
    from stack_runtime.pipeline.declare_entity import check_new, declare_entity, entity_name, shared_settings
    from stack_runtime.pipeline.inspect_file import inspect_file
    from stack_runtime.pipeline.paths import readable

    path, shared = readable(file, "fds inspect FILE"), shared_settings()
    name = entity or entity_name(path)
    if write:
        check_new(name)
    given = shared | _declared(key, generated_key, column, set_)
    report = inspect_file(path, given, say)
    while sys.stdin.isatty() and not as_json and (answered := _ask(report)):
        given = _merged(given, answered)
        report = inspect_file(path, given, say)
    written = None
    if write:
        _refuse_open(report, file, name)
        written = declare_entity(name, report, shared)
    if as_json:
        answer({"name": name, **report, "written": written and [str(part) for part in vars(written).values()]})
    else:
        show(report, name)
    if written:
        for part in vars(written).values():
            say(f"wrote {part}")
        say(f"next: {shlex.join(['fds', 'run', '--csv', str(file), '--entity', name, '--local'])}")


def _declared(
    key: list[str] | None, generated_key: str | None, column: list[str] | None, pairs: list[str] | None
) -> dict[str, Any]:
    """Return the settings that the command line declares, in the form of tap-csv's settings."""
    from stack_runtime.errors import UsageError

    found: dict[str, Any] = {}
    for word in pairs or ():
        name, value = _pair(word, "--set decimal=,")
        if name in _OWN_OPTIONS:
            raise UsageError(f"{name} is not a format setting", next_command="--entity, --key or --column sets it")
        found[name] = _value(name, value)
    if column:
        found["columns"] = dict(_pair(word, "--column amount=decimal", last=True) for word in column)
    if key:
        found["keys"] = key
    if generated_key:
        found["generated_key"] = generated_key
    return found


def _pair(word: str, example: str, *, last: bool = False) -> tuple[str, str]:
    """Return name and value of `NAME=VALUE`; with `last`, the name ends at the last `=`."""
    from stack_runtime.errors import UsageError

    name, sign, value = word.rpartition("=") if last else word.partition("=")
    if not sign or not name:
        raise UsageError("this is not NAME=VALUE", where=repr(word[:80]), next_command=example)
    return name, value


def _value(name: str, text: str) -> Any:
    if name not in _LISTS + _OBJECTS:
        return text
    try:
        value = json.loads(text)
    except ValueError:
        value = text
    if name in _OBJECTS:
        return value  # the tap will refuse the value if it is not an object
    return value if isinstance(value, list) else [text]


def _merged(given: Mapping[str, Any], more: Mapping[str, Any]) -> dict[str, Any]:
    """Merge `given` and `more`, and also their `columns`. If a name is in both, the value of `more` is used."""
    columns = {**given.get("columns", {}), **more.get("columns", {})}
    return {**given, **more} | ({"columns": columns} if columns else {})


def _ask(report: Mapping[str, Any]) -> dict[str, Any]:
    """Ask the person to decide the first setting that is still open and for which the report offers options.

    Returns: the chosen settings; empty if no such setting is left, or if the person leaves it open.
    """
    from stack_runtime.text import printable

    question = next((one for one in report["open"] if one["options"]), None)
    if question is None:
        return {}
    say(printable(f"{question['setting']}: {question['why']}"))
    for number, option in enumerate(question["options"], start=1):
        say("  " + printable(f"{number}) {command_line(option['settings'])}  ({option['means']})"))
    while True:
        chosen = ask(f"1 to {len(question['options'])}, or nothing to leave it open")
        if not chosen:
            return {}
        if chosen.isdecimal() and 1 <= int(chosen) <= len(question["options"]):
            settings: dict[str, Any] = question["options"][int(chosen) - 1]["settings"]
            return settings


def _refuse_open(report: Mapping[str, Any], file: Path, name: str) -> None:
    """Refuse to write an entity while settings are open: neither the file nor the command line decides them.

    Raises:
        UsageError: a setting is open; the message lists the options that decide it.
    """
    from stack_runtime.errors import UsageError
    from stack_runtime.text import printable

    if not report["open"]:
        return
    what = "; ".join(f"{one['setting']}: {one['why']}" for one in report["open"])
    choices = [" or ".join(command_line(option["settings"]) for option in one["options"]) for one in report["open"]]
    again = shlex.join(["fds", "inspect", str(file), "--write", "--entity", name])
    options = ", and ".join(choice for choice in choices if choice)
    raise UsageError(
        printable(f"nothing is written, because these settings are not decided: {what}"),
        where=printable(str(file)),
        next_command=printable(f"{again} with {options}" if options else "correct the file"),
    )
