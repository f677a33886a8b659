"""Print the report of `fds inspect`, and convert settings of tap-csv to options of `fds inspect`."""

from __future__ import annotations

import json
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from stack_runtime.text import printable

_WIDTH = 100


def words(settings: Mapping[str, Any]) -> list[str]:
    """Return the options of `fds inspect` that declare these settings of tap-csv."""
    found: list[str] = []
    for name, value in settings.items():
        if name == "keys":
            found += [word for key in value for word in ("--key", key)]
        elif name == "generated_key":
            found += ["--generated-key", value]
        elif name == "columns":
            found += [word for column, kind in value.items() for word in ("--column", f"{column}={kind}")]
        else:
            text = json.dumps(value, ensure_ascii=False) if isinstance(value, list | dict) else str(value)
            found += ["--set", f"{name}={'tab' if text == chr(9) else text}"]
    return found


def command_line(settings: Mapping[str, Any]) -> str:
    """Return the result of `words` as one text, quoted for a shell."""
    return shlex.join(words(settings))


def show(report: Mapping[str, Any], name: str) -> None:
    """Print the report of `fds inspect` for a person; `name` is the name of the entity."""
    from rich.console import Console
    from rich.table import Table

    console = Console()

    def line(text: str, indent: int = 2) -> None:
        console.print(" " * indent + printable(text), markup=False, highlight=False, soft_wrap=True)

    line(f"{report['file']}: entity {name}", 0)
    for label, value in _facts(report):
        line(f"{label}: {value}")
    for text in report["above"]:
        line(f"above the header: {text[:_WIDTH]}")
    if report["columns"]:
        table = Table("Column", "Type", "Values", "Decided by")
        for column in report["columns"]:
            texts = (column["name"], column["type"], str(column["filled"]), column["decided"])
            table.add_row(*(_cell(text) for text in texts))
        console.print(table)
    if report["sample"]:
        table = Table(title="As loaded")
        for column in report["loaded_columns"]:
            table.add_column(_cell(column), overflow="fold")
        for row in report["sample"]:
            table.add_row(*(_cell("" if value is None else value) for value in row))
        console.print(table)
    for row in report["bad_rows"]:
        line(f"line {row['line']} is quarantined: {row['reason']}")
    for note in report["notes"]:
        line(f"note: {note}")
    for one in report["open"]:
        line(f"open, {one['setting']}: {one['why']}")
        for option in one["options"]:
            line(f"{command_line(option['settings'])} ({option['means']})", 4)


def _cell(text: str) -> Any:
    from rich.text import Text

    shown = printable(text)
    return Text(shown if len(shown) <= _WIDTH else f"{shown[: _WIDTH - 1]}…")


def _facts(report: Mapping[str, Any]) -> Sequence[tuple[str, str]]:
    rows = report["rows"]
    counted = f"{rows['read']}, of which {rows['loaded']} are loaded, {rows['quarantined']} quarantined" if rows else ""
    delimiter = {"\t": "tab"}.get(report["delimiter"], report["delimiter"])
    found = {
        "encoding": report["encoding"], "delimiter": delimiter, "header in line": report["header_line"],
        "decimal separator": report["decimal"], "thousands separator": {" ": "space"}.get(
            report["thousands"], report["thousands"]), "date formats": ", ".join(report["date_formats"]),
        "rows": counted, "possible keys": ", ".join(report["key_candidates"]),
    }  # fmt: skip
    return [(label, str(value)) for label, value in found.items() if value]
