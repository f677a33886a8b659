"""Read and write YAML files of the user."""

from __future__ import annotations

import io
from typing import Any

from ruamel.yaml import YAML


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
