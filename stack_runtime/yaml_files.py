"""Read and write YAML files of the user."""

from __future__ import annotations

import io
from collections.abc import Mapping
from typing import Any

import yaml
from ruamel.yaml import YAML
from ruamel.yaml.scalarstring import DoubleQuotedScalarString


def round_trip() -> YAML:
    """Return a reader and writer that keeps comments, quotes and order, and indents lists as `meltano.yml` does."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def to_text(document: Any) -> str:
    """Return a document as the text of a YAML file."""
    stream = io.StringIO()
    round_trip().dump(document, stream)
    return stream.getvalue()


def safely_quoted(value: Any) -> Any:
    """Return `value` with quotes around each text that YAML 1.1 would not read as the same text.

    This program writes YAML 1.2, where `No` and `1:30` are texts. Meltano and dbt read YAML 1.1, where `No` is a
    boolean and `1:30` is a number.
    """
    if isinstance(value, Mapping):
        return {safely_quoted(name): safely_quoted(item) for name, item in value.items()}
    if isinstance(value, list | tuple):
        return [safely_quoted(item) for item in value]
    return DoubleQuotedScalarString(value) if isinstance(value, str) and not _is_plain(value) else value


def _is_plain(text: str) -> bool:
    """Return whether YAML 1.1 reads the unquoted text as the same text, both as a list item and as a key."""
    try:
        return bool(yaml.safe_load(f"[{text}]") == [text] and yaml.safe_load(f"{{{text}: 0}}") == {text: 0})
    except (yaml.YAMLError, ValueError, TypeError):
        return False
