"""Add an entity to the project: its settings in `meltano.yml`, and a staging model with tests."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from ruamel.yaml.comments import CommentedMap, CommentedSeq

from stack_runtime.content import dbt_project, meltano_project
from stack_runtime.errors import UsageError
from stack_runtime.files import write_atomically
from stack_runtime.pipeline.inspect_file import TAP
from stack_runtime.pipeline.landing import UPLOADS
from stack_runtime.pipeline.sources import PROJECT_FILE, declared_sources
from stack_runtime.pipeline.staging_model import model_sql, properties_yml
from stack_runtime.yaml_files import round_trip, safely_quoted, to_text

ENTITY_NAME = re.compile(r"[a-z][a-z0-9_]{0,50}")
_NOT_SHARED = {"entities", "quarantine_dir", "report_path", "batch_config", "max_record_bytes"}


@dataclass(frozen=True)
class Declared:
    """Paths of the files into which `declare_entity` wrote an entity."""

    meltano: Path
    model: Path
    properties: Path


def entity_name(file: Path) -> str:
    """Return an entity name made from the name of `file`; `data` if the result would be invalid."""
    stem = re.sub(r"[^a-z0-9]+", "_", file.name.partition(".")[0].lower())
    name = stem.lstrip("0123456789_").rstrip("_")[:50]
    return name if ENTITY_NAME.fullmatch(name) and name != UPLOADS else "data"


def shared_settings() -> dict[str, Any]:
    """Return the settings of tap-csv in `meltano.yml`, such as the delimiter, that apply to all of its entities.

    Raises:
        UsageError: the project cannot be read, or has no tap-csv.
    """
    found = next((source for source in declared_sources() if source.name == TAP), None)
    file = meltano_project() / PROJECT_FILE
    if found is None or found.entities is None:
        raise UsageError(f"no extractor {TAP} is declared", where=str(file), next_command="copy it from a new project")
    config = _tap(yaml.safe_load(file.read_text(encoding="utf-8"))).get("config") or {}
    return {name: value for name, value in config.items() if name not in _NOT_SHARED}


def check_new(name: str) -> None:
    """Check that an entity can have this name.

    Raises:
        UsageError: the name is invalid, or an entity, a model or a model's YAML file already uses it.
    """
    again = "choose another name with --entity NAME"
    if not ENTITY_NAME.fullmatch(name) or name == UPLOADS:
        what = "an entity's name begins with a small letter and contains only small letters, digits and _"
        raise UsageError(what, where=repr(name[:60]), next_command="fds inspect FILE --write --entity bank")
    names = {str(entity["entity"]).lower() for source in declared_sources() for entity in source.entities or ()}
    if name in names:
        raise UsageError(f"an entity {name} is already declared", where=PROJECT_FILE, next_command=again)
    folder = dbt_project() / "models"
    taken = [*folder.rglob(f"stg_{name}.sql"), *folder.rglob(f"stg_{name}.y*ml")]
    if taken:
        raise UsageError(f"a model stg_{name} already exists", where=str(taken[0]), next_command=again)


def declare_entity(name: str, report: Mapping[str, Any], shared: Mapping[str, Any]) -> Declared:
    """Write a new entity into `meltano.yml`, and write its staging model and the YAML file of the model.

    Args:
        report: the report of `inspect_file`. It must be complete, that is, its list `open` must be empty.
        shared: the result of `shared_settings`. A setting of the entity is not written if it is equal to the shared
            setting.

    Raises:
        UsageError: the name is invalid or taken, or a file cannot be written.
    """
    check_new(name)
    own = {key: value for key, value in report["entity"].items() if key not in shared or shared[key] != value}
    file, staging = meltano_project() / PROJECT_FILE, dbt_project() / "models" / "staging"
    declared = Declared(file, staging / f"stg_{name}.sql", staging / f"stg_{name}.yml")
    keys = own.get("keys") or [own["generated_key"]]
    types = report["loaded_columns"]
    schema = _schema(file)
    text = _with_entity(file, {"entity": name, "path": f"{name}/*", **own})
    try:
        staging.mkdir(parents=True, exist_ok=True)
        write_atomically(declared.properties, properties_yml(name, schema, keys, types, _has_source(schema, name)))
        write_atomically(declared.model, model_sql(name, schema, types))
        write_atomically(file, text)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"the entity cannot be written: {reason}", where=str(error.filename), next_command="make it writable"
        ) from None
    return declared


def _with_entity(file: Path, entity: Mapping[str, Any]) -> str:
    """Return the text of `meltano.yml` after `entity` is added to the entities of tap-csv."""
    content = round_trip().load(file.read_text(encoding="utf-8"))
    config = _tap(content).setdefault("config", CommentedMap())
    entities = config.get("entities")
    if not entities:
        config["entities"] = entities = CommentedSeq()
    entities.fa.set_block_style()
    entity = safely_quoted(entity)
    added = CommentedMap(entity)
    for name, value in entity.items():
        if isinstance(value, list):
            added[name] = CommentedSeq(value)
            added[name].fa.set_flow_style()
        elif isinstance(value, dict):
            added[name] = CommentedMap(value)
    entities.append(added)
    return to_text(content)


def _tap(content: Any) -> Any:
    """Return the declaration of tap-csv in a loaded `meltano.yml`."""
    return next(plugin for plugin in content["plugins"]["extractors"] if plugin.get("name") == TAP)


def _schema(file: Path) -> str:
    """Return the database schema into which the tables of tap-csv are loaded."""
    tap = _tap(yaml.safe_load(file.read_text(encoding="utf-8")))
    return str(tap.get("load_schema") or tap.get("namespace") or "tap_csv")


def _has_source(schema: str, table: str) -> bool:
    """Return whether a file of the dbt project already describes this table as a source."""
    for file in (dbt_project() / "models").rglob("*.y*ml"):
        try:
            content = yaml.safe_load(file.read_text(encoding="utf-8")) or {}
            sources = [source for source in content.get("sources") or () if source.get("name") == schema]
            if any(one.get("name") == table for source in sources for one in source.get("tables") or ()):
                return True
        except (OSError, UnicodeError, yaml.YAMLError, AttributeError):
            continue  # dbt itself reports an invalid file
    return False
