"""Generate the dbt staging model of an entity. Column names are untrusted input, because they come from a file."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

import duckdb

from stack_runtime.yaml_files import safely_quoted, to_text

_SEPARATOR = "chr(31)"


def safe_names(columns: Sequence[str]) -> dict[str, str]:
    """Return for each column a unique name of small letters, digits and _ that needs no quotes in SQL."""
    reserved = {
        row[0]
        for row in duckdb.execute(
            "SELECT keyword_name FROM duckdb_keywords() WHERE keyword_category <> 'unreserved'"
        ).fetchall()
    }
    found: dict[str, str] = {}
    for number, column in enumerate(columns, start=1):
        letters = unicodedata.normalize("NFKD", column.replace("ß", "ss")).encode("ascii", "ignore").decode().lower()
        name = re.sub(r"[^a-z0-9]+", "_", letters).strip("_")[:50] or f"column_{number}"
        name = f"column_{name}" if name[0].isdigit() else name
        name = f"{name}_" if name in reserved else name
        while name in found.values():
            name = f"{name}_{number}"
        found[column] = name
    return found


def quoted(name: str) -> str:
    """Return a column name as an SQL identifier for a model; `{` is escaped, as it could begin a Jinja expression."""
    return '"' + name.replace('"', '""').replace("{", '{{ "\\x7b" }}') + '"'


def model_sql(entity: str, schema: str, types: Mapping[str, str]) -> str:
    """Return the SQL of a staging model, which selects all loaded columns under the names of `safe_names`.

    Args:
        types: DuckDB's types by column. Before the first load, the model returns columns of these types and no rows.
    """
    names = safe_names(list(types))
    source = f"source('{schema}', '{entity}')"
    empty = ",\n".join(f"    cast(null as {kind.lower()}) as {names[column]}" for column, kind in types.items())
    loaded = ",\n".join(
        f"    {quoted(column)} as {name}" if quoted(column) != f'"{name}"' else f"    {name}"
        for column, name in names.items()
    )
    return (
        f"-- The rows of entity {entity} as loaded, with plain names.\n"
        f"{{% if load_relation({source}) is none %}}\n\n"
        f"-- No file is loaded yet.\nselect\n{empty}\nwhere false\n\n"
        f"{{% else %}}\n\n"
        f"select\n{loaded}\nfrom {{{{ {source} }}}}\n\n{{% endif %}}\n"
    )


def properties_yml(entity: str, schema: str, keys: Sequence[str], types: Mapping[str, str], has_source: bool) -> str:
    """Return the text of the model's YAML file: the columns, the tests of the key, and the source.

    Args:
        has_source: whether another file already describes the source, so that it is left out here.
    """
    names, model = safe_names(list(types)), f"stg_{entity}"
    columns: list[dict[str, Any]] = []
    for column, name in names.items():
        found: dict[str, Any] = {"name": name, "description": f"Column {_shown(column)} of the files."}
        if column in keys:
            found["description"] = f"Key; column {_shown(column)} of the files."
            tests: list[dict[str, Any]] = [{"not_null": {"name": f"{model}_{name}_is_not_null"}}]
            if len(keys) == 1:
                tests.insert(0, {"unique": {"name": f"{model}_{name}_is_unique"}})
            found["data_tests"] = tests
        columns.append(found)
    described: dict[str, Any] = {"name": model, "description": f"Rows of the entity {entity}, one per key."}
    if len(keys) > 1:
        joined = f" || {_SEPARATOR} || ".join(names[key] for key in keys)
        unique = {"name": f"{model}_key_is_unique", "arguments": {"column_name": f"({joined})"}}
        described["data_tests"] = [{"unique": unique}]
    document: dict[str, Any] = {"version": 2}
    if not has_source:
        table = {"name": entity, "description": f"Rows of the entity {entity} as loaded from its files."}
        document["sources"] = [{"name": schema, "schema": schema, "tables": [table]}]
    document["models"] = [described | {"columns": columns}]
    return to_text(safely_quoted(document))


def _shown(column: str) -> str:
    """Return a column name for a description. Special characters become `?`, because dbt renders Jinja there."""
    return re.sub(r"[^\w .,:/()+-]", "?", column)[:60]
