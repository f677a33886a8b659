"""Every setting is documented, and wrong ones are refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from tap_csv.errors import TapError
from tap_csv.settings import dialect, entities
from tap_csv.tap import TapCSV
from target_duckdb.target import TargetDuckDB

_SINGER = Path(__file__).parents[3] / "data_stack" / "singer"


@pytest.mark.parametrize(("plugin", "folder"), [(TapCSV, "tap-csv"), (TargetDuckDB, "target-duckdb")])
def test_each_setting_has_a_row_in_the_readme(plugin: Any, folder: str) -> None:
    schema = {"properties": dict(plugin.config_jsonschema["properties"])}
    plugin.append_builtin_config(schema)
    fields = schema["properties"].get("entities", {}).get("items", {}).get("properties", {})
    text = (_SINGER / folder / "README.md").read_text()
    undocumented = [name for name in (*schema["properties"], *fields) if f"\n| `{name}` |" not in text]
    assert not undocumented


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"delimiter": ";;"}, "setting delimiter"),
        ({"delimiter": '"'}, "same character"),
        ({"quotechar": ""}, "setting quotechar"),
        ({"encoding": "klingon"}, "'klingon'"),
        ({"max_record_bytes": 0}, "max_record_bytes"),
    ],
)
def test_a_dialect_that_cannot_work_is_refused(settings: dict[str, Any], words: str) -> None:
    given = {"delimiter": "auto", "quotechar": '"', "encoding": "utf-8", "max_record_bytes": 100} | settings
    with pytest.raises(TapError, match=words):
        dialect(given)


@pytest.mark.parametrize(
    ("entity", "words"),
    [
        ({}, "has no paths"),
        ({"path": "x", "incremental": "column"}, "replication_key"),
        ({"path": "x", "replication_key": "day"}, "replication_key"),
        ({"path": "x", "columns": {"a": "decimal(40,2)"}}, "decimal"),
    ],
)
def test_an_entity_that_cannot_work_is_refused(entity: dict[str, Any], words: str) -> None:
    with pytest.raises(TapError, match=words):
        entities({"entities": [{"entity": "t"} | entity]})


def test_an_entity_comes_once() -> None:
    with pytest.raises(TapError, match="more than once"):
        entities({"entities": [{"entity": "t", "path": "x"}, {"entity": "T", "path": "y"}]})
