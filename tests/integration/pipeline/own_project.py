"""Create a user's project: three kinds of CSV file, a tap from the package index, and models, a seed and a snapshot."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from textwrap import dedent
from typing import Any

import duckdb
import yaml

from tests.integration.pipeline.conftest import Ended, ended
from tests.kit.project import Project

ENTITIES = [
    {"entity": "hours", "path": "hours*.csv", "keys": ["id"], "columns": {"day": "date", "minutes": "integer"}},
    {"entity": "invoices", "keys": ["number"], "columns": {"issued": "date", "total": "decimal(18,2)"}},
]
BANK = {
    "name": "tap-csv--bank",
    "inherit_from": "tap-csv",
    "config": {
        "delimiter": ";",
        "entities": [{"entity": "bank", "path": "bank/*", "keys": ["ref"], "columns": {"amount": "decimal"}}],
    },
}
EVENTS = {
    "name": "tap-jsonl",
    "namespace": "tap_jsonl",
    "pip_url": "tap-jsonl==0.3.1",
    "executable": "tap-jsonl",
    "capabilities": ["catalog", "discover", "state"],
    "settings": [{"name": "path"}, {"name": "stream_name"}, {"name": "primary_keys", "kind": "array"}],
}

FILES = {
    "dbt_project.yml": """
        name: mine
        version: "1.0.0"
        profile: ai_agent_data_stack
        models: {mine: {+schema: marts, +materialized: table}}
        seeds: {mine: {+schema: staging}}
        snapshots: {mine: {+schema: staging}}
        data_tests: {+schema: checks}
    """,
    "packages.yml": "packages:\n  - local: package\n",
    "package/dbt_project.yml": "{name: helper, version: '1.0.0', config-version: 2}",
    "package/macros/whole.sql": "{% macro whole(column) %}cast({{ column }} as bigint){% endmacro %}",
    "macros/in_hours.sql": "{% macro in_hours(minutes) %}{{ helper.whole(minutes) }} / 60.0{% endmacro %}",
    "seeds/rates.csv": "project,rate\nweb,90\nprint,60\n",
    "snapshots/rates_then.yml": """
        snapshots:
          - {name: rates_then, relation: ref('rates'), config: {strategy: check, unique_key: project, check_cols: all}}
    """,
    "models/sources.yml": """
        sources:
          - {name: raw_data, schema: raw_data, tables: [{name: hours}, {name: invoices}, {name: bank}]}
          - {name: tap_jsonl, schema: tap_jsonl, tables: [{name: events}]}
    """,
    "models/worked.sql": """
        select project, sum({{ in_hours('minutes') }} * rate) as value, list(id order by id) as ids
        from {{ source('raw_data', 'hours') }} join {{ ref('rates') }} using (project) group by project
    """,
    "models/invoiced.sql": "select number, issued, total from {{ source('raw_data', 'invoices') }}",
    "models/paid.sql": "select ref, amount from {{ source('raw_data', 'bank') }}",
    "models/seen.sql": "select kind, count(*) as times from {{ source('tap_jsonl', 'events') }} group by kind",
    "models/open.sql": """
        {{ config(materialized='view') }}
        select number, total - coalesce(amount, 0) as due from {{ ref('invoiced') }} left join {{ ref('paid') }}
        on ref = number
    """,
    "models/models.yml": """
        models:
          - {name: invoiced, columns: [{name: number, data_tests: [unique, not_null]}]}
        unit_tests:
          - name: open_is_what_is_not_paid
            model: open
            given:
              - {input: ref('invoiced'), rows: [{number: a, total: 10}]}
              - {input: ref('paid'), rows: [{ref: a, amount: 4}]}
            expect: {rows: [{number: a, due: 6}]}
    """,
    "tests/no_negative_value.sql": "select * from {{ ref('worked') }} where value < 0",
}


class OwnProject(Project):
    """The user's project on disk, with its landing folder and its published data."""

    @property
    def published(self) -> Path:
        return self.folder / ".fds" / "local" / "warehouse.duckdb"

    @property
    def landing(self) -> Path:
        return self.folder / ".fds" / "local" / "warehouse.duckdb.fds" / "landing"

    @property
    def meltano_file(self) -> Path:
        return self.folder / "data_stack" / "meltano" / "meltano.yml"

    @property
    def models(self) -> Path:
        return self.folder / "data_stack" / "dbt" / "models"

    def declare(self, *extractors: dict[str, Any], entities: list[dict[str, Any]]) -> None:
        """Write the sources into `meltano.yml`: `entities` of tap-csv, and further extractors."""
        document = yaml.safe_load(self.meltano_file.read_text())
        csv = document["plugins"]["extractors"][0]
        csv["config"]["entities"] = entities
        document["plugins"]["extractors"] = [csv, *extractors]
        self.meltano_file.write_text(yaml.safe_dump(document, sort_keys=False))

    def land(self, name: str, text: str) -> Path:
        """Write a file into the landing folder."""
        file = self.landing / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file

    def local(self, verb: str, *words: str) -> Ended:
        """Run a verb of `fds` with `--local`, and return its result."""
        return ended(self.fds(verb, "--local", "--json", *words))

    def query(self, sql: str) -> list[tuple[Any, ...]]:
        with duckdb.connect(str(self.published), read_only=True) as connection:
            return connection.execute(sql).fetchall()


def make_project(folder: Path) -> OwnProject:
    """Create the project without files to load."""
    project = OwnProject(folder, "own", {"host": "local"}, sources=True)
    dbt = folder / "data_stack" / "dbt"
    profiles, macro = ((dbt / name).read_text() for name in ("profiles.yml", "macros/generate_schema_name.sql"))
    shutil.rmtree(dbt)
    for name, text in {**FILES, "profiles.yml": profiles, "macros/generate_schema_name.sql": macro}.items():
        (dbt / name).parent.mkdir(parents=True, exist_ok=True)
        (dbt / name).write_text(dedent(text).lstrip("\n"))
    events = EVENTS | {"config": {"path": f"{folder}/events/*.jsonl", "stream_name": "events", "primary_keys": ["id"]}}
    project.declare(BANK, events, entities=ENTITIES)
    return project


def write_events(project: OwnProject, count: int) -> None:
    """Write `count` events for the tap from the package index."""
    folder = project.folder / "events"
    folder.mkdir(exist_ok=True)
    lines = [json.dumps({"id": number, "kind": "view" if number % 3 else "click"}) for number in range(count)]
    (folder / "events.jsonl").write_text("\n".join(lines) + "\n")
