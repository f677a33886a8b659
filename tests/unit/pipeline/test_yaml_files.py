"""Test that texts written into YAML files are read back unchanged by Meltano and dbt, which parse YAML 1.1."""

from __future__ import annotations

import pytest
import yaml
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from stack_runtime.yaml_files import safely_quoted, to_text


@pytest.mark.parametrize(
    "text",
    [
        "No",
        "on",
        "1:30",
        "12:30:45",
        "2026-12-31",
        "1e3",
        ":61:x",
        "a: b",
        "#",
        "=",
        "{{ x }}",
        "[a",
        "e\nf",
        "\x85",
        "",
    ],
)
@pytest.mark.parametrize("flow", [False, True])
def test_written_text_is_read_unchanged_by_a_yaml_1_1_parser(text: str, flow: bool) -> None:
    content = safely_quoted({"names": [text], "types": {text: text}})
    names = CommentedSeq(content["names"])
    if flow:
        names.fa.set_flow_style()
    written = to_text(CommentedMap(content | {"names": names}))
    assert yaml.safe_load(written) == {"names": [text], "types": {text: text}}


def test_text_that_needs_no_quotes_in_yaml_is_written_without_quotes() -> None:
    assert to_text(safely_quoted({"path": "bank/*", "key": "Umsatz-Nr"})) == "path: bank/*\nkey: Umsatz-Nr\n"
