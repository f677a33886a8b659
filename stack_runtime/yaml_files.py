"""Read and write YAML files of the user."""

from __future__ import annotations

from ruamel.yaml import YAML


def round_trip() -> YAML:
    """Return a reader and writer that keeps comments, quotes and order, and indents lists as `meltano.yml` does."""
    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 120
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml
