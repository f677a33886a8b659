"""Test that every setting of tap-csv and target-duckdb is documented, and that errors name what is invalid."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from tap_csv.errors import TapError
from tap_csv.settings import entities
from tap_csv.tap import TapCSV
from target_duckdb.target import TargetDuckDB

_SINGER = Path(__file__).parents[3] / "data_stack" / "singer"
_T = {"entity": "t", "path": "x"}


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
        ({"encoding": "base64"}, "'base64'"),
        ({"skip_rows": -1}, "skip_rows"),
        ({"skip_rows": "many"}, "skip_rows"),
        ({"header_match": "close"}, "exact, loose"),
        ({"row_end": "comma"}, "exact, delimiter"),
        ({"ignore_rows": ["("]}, "not a regular expression"),
        ({"ignore_rows": ["x*"]}, "matches every row"),
        ({"null_words": "NULL"}, "list of texts"),
        ({"decimal": ";"}, "setting decimal"),
        ({"thousands": "x"}, "setting thousands"),
        ({"decimal": ",", "thousands": ","}, "same character"),
        ({"currency_signs": ["5"]}, "not a currency sign"),
        ({"currency_signs": ["EUR", "Dr."]}, "'Dr.', which means debit or credit"),
        ({"currency_signs": ["C"]}, "'C', which means debit or credit"),
        ({"currency_signs": ["▲"]}, "'▲', which stands for minus"),
        ({"currency_signs": ["€", "–"]}, "'–', which stands for minus"),
        ({"currency_signs": ["$-"]}, "'$-', which stands for minus"),
        ({"negatives": ["red"]}, "parentheses, trailing_minus"),
        ({"date_formats": []}, "at least one"),
        ({"date_formats": ["%d.%m."]}, "year, month and day"),
        ({"date_formats": ["%Q-%m-%d"]}, "%Q"),
        ({"date_formats": ["%d/%m/%Y", "%m/%d/%Y"]}, "same texts"),
        ({"date_formats": ["iso", "%Y-%d-%m"]}, "same texts"),
        ({"date_formats": ["%d.%m.%Y %I:%M"]}, "%p"),
        ({"timezone": "Mars/Olympus"}, "Europe/Berlin"),
        ({"earliest_date": "soon"}, "2026-12-31"),
        ({"earliest_date": "2030-01-01", "latest_date": "2020-01-01"}, "after latest_date"),
    ],
)
def test_invalid_format_setting_is_refused_whether_it_is_set_for_all_entities_or_for_one(
    settings: dict[str, Any], words: str
) -> None:
    for config in ({"entities": [_T]} | settings, {"entities": [_T | settings]}):
        with pytest.raises(TapError, match=re.escape(words)) as refused:
            entities(config)
        assert "\n" not in refused.value.message


@pytest.mark.parametrize(
    ("entity", "words"),
    [
        ({"path": None}, "has no paths"),
        ({"incremental": "column"}, "replication_key"),
        ({"replication_key": "day"}, "replication_key"),
        ({"incremental": "column", "replication_key": "day"}, "needs a declared type"),
        ({"incremental": "always"}, "file, column, none"),
        ({"on_missing_rows": "delete"}, "keep"),
        ({"columns": {"a": "decimal(40,2)"}}, "decimal"),
        ({"columns": {"a": "number"}}, "string, integer, decimal"),
        ({"columns": ["a"]}, "must map names"),
        ({"keys": ["id"], "columns": {"id": "integer"}}, "keys are text"),
        ({"keys": ["id", "id"]}, "'id' more than once"),
        ({"keys": ["id"], "generated_key": "row"}, "choose one"),
        ({"keys": ["id"], "constants": {"id": "1"}}, "two settings"),
        ({"constants": {"a": "1"}, "columns": {"a": "integer"}}, "are text"),
        ({"constants": {"a": 1}}, "must map names to texts"),
        ({"renames": {"x": "a", "y": "a"}}, "one name"),
        ({"renames": {"x": "a", "y": "A"}}, "one name"),
        ({"columns": {"a": "date", "A": "string"}}, "differ only in case"),
        ({"keys": ["ID"], "constants": {"id": "1"}}, "differ only in case"),
        ({"debit_credit": {"amount": {"debit": "Soll"}}}, "debit and credit"),
        ({"debit_credit": {"a": {"debit": "b", "credit": "c"}}, "columns": {"a": "integer"}}, "must be a decimal"),
        ({"decimel": ","}, "'decimel' is unknown; known are entity, paths"),
    ],
)
def test_invalid_entity_is_refused_by_an_error_that_names_the_entity(entity: dict[str, Any], words: str) -> None:
    with pytest.raises(TapError, match=re.escape(words)) as refused:
        entities({"entities": [_T | entity]})
    assert "'t'" in refused.value.message


def test_end_of_a_whole_amount_may_be_a_currency_sign_although_it_contains_a_hyphen() -> None:
    (entity,) = entities({"entities": [_T | {"currency_signs": [":-", "/-", "C$"]}]})
    assert entity.format.numbers.currency_signs == (":-", "/-", "C$")


def test_unknown_setting_is_refused_with_a_list_of_known_settings() -> None:
    with pytest.raises(TapError, match=r"'delimeter' is unknown; known are .*delimiter"):
        entities({"entities": [_T], "delimeter": ";"})


def test_setting_of_an_entity_overrides_the_setting_for_all_entities() -> None:
    shared = {"decimal": ",", "timezone": "Europe/Berlin", "null_words": ["-"]}
    one, other = entities({"entities": [_T, _T | {"entity": "u", "decimal": ".", "null_words": []}], **shared})
    assert (one.format.numbers.decimal, one.format.null_words) == (",", ("-",))
    assert (other.format.numbers.decimal, other.format.null_words) == (".", ())
    assert one.format.dates.timezone == other.format.dates.timezone == "Europe/Berlin"
    assert one.fingerprint != other.fingerprint


def test_two_entities_whose_names_are_equal_except_for_case_are_refused() -> None:
    with pytest.raises(TapError, match="more than once"):
        entities({"entities": [{"entity": "t", "path": "x"}, {"entity": "T", "path": "y"}]})
