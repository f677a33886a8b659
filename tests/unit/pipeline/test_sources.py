"""Test reading sources and entities from `meltano.yml`, and assigning files to entities."""

from __future__ import annotations

import json
import os
import re
from pathlib import Path

import pytest
import yaml

from stack_runtime.errors import UsageError
from stack_runtime.pipeline.extract_load import meltano_environment
from stack_runtime.pipeline.paths import ROOT
from stack_runtime.pipeline.sources import (
    Selection,
    Source,
    declared_sources,
    refuse_empty,
    select_entity,
    select_landed,
    select_sources,
)
from stack_runtime.pipeline.workspace import Workspace

READS_FILES = "settings: [{name: entities}, {name: quarantine_dir}, {name: report_path}]"
PROJECT = f"""
plugins:
  extractors:
    - name: tap-csv
      pip_url: tap
      {READS_FILES}
      config: {{entities: [{{entity: hours, path: "h*.csv", keys: [id]}}, {{entity: invoices, generated_key: row}}]}}
    - name: tap-csv--bank
      inherit_from: tap-csv
      config: {{entities: [{{entity: bank, paths: [b/*.csv, b/*.txt], keys: [id]}}]}}
    - {{name: tap-api, pip_url: tap-api==1, config: {{entities: [1]}}}}
"""


def write(folder: Path, text: str) -> Path:
    file = folder / "meltano.yml"
    file.write_text(text)
    return file


@pytest.fixture
def sources(tmp_path: Path) -> tuple[Source, ...]:
    return declared_sources(write(tmp_path, PROJECT))


def test_every_extractor_is_a_source(sources: tuple[Source, ...]) -> None:
    entities = {s.name: None if s.entities is None else [e["entity"] for e in s.entities] for s in sources}
    assert entities == {"tap-csv": ["hours", "invoices"], "tap-csv--bank": ["bank"], "tap-api": None}
    assert sources[1].installation["pip_url"] == "tap" and sources[1].environment_prefix == "TAP_CSV__BANK"


def test_examples_of_extractors_in_the_documentation_are_valid(tmp_path: Path) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", (ROOT / "docs" / "data.md").read_text(), re.DOTALL | re.MULTILINE)
    project = yaml.safe_load(PROJECT)
    project["plugins"]["extractors"] = project["plugins"]["extractors"][:1]
    for block in blocks:
        project["plugins"]["extractors"] += yaml.safe_load(block)
    sources = {source.name: source for source in declared_sources(write(tmp_path, yaml.safe_dump(project)))}
    assert set(sources) == {"tap-csv", "tap-jsonl", "tap-csv--bank"}
    assert sources["tap-jsonl"].installation["pip_url"] == "tap-jsonl==0.3.1"
    assert sources["tap-jsonl"].entities is None and sources["tap-csv--bank"].entities


def test_source_and_entity_are_selected_by_name(sources: tuple[Source, ...]) -> None:
    assert [source.name for source in select_sources(sources, "tap-api")] == ["tap-api"]
    assert select_entity(sources, "bank") == (sources[1], "bank")
    assert select_entity(sources[1:], None) == (sources[1], "bank")
    for wrong in (None, "Bank", "none"):
        with pytest.raises(UsageError) as caught:
            select_entity(sources, wrong)
        assert "hours, invoices, bank" in caught.value.next_command
    with pytest.raises(UsageError, match="no source tap-none"):
        select_sources(sources, "tap-none")


def test_files_go_to_the_entity_whose_path_matches(sources: tuple[Source, ...], tmp_path: Path) -> None:
    landing = tmp_path / "landing"
    for name in ("H1.CSV", "invoices/a[1].xlsx", "b/x.csv", "b/y.TXT", "b/deep/z.csv", "other.pdf", ".hidden",
                 "uploads/0/h1.csv", "b/.part.csv"):  # fmt: skip
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        (landing / name).touch()
    found = select_landed(sources, landing)
    names = {entity: [str(file.relative_to(landing)) for file in files] for entity, files in found.files.items()}
    assert names == {"hours": ["H1.CSV"], "invoices": ["invoices/a[1].xlsx"], "bank": ["b/x.csv", "b/y.TXT"]}
    assert [str(file.relative_to(landing)) for file, _ in found.unclaimed] == ["b/deep/z.csv", "other.pdf"]
    assert [source.name for source in found.sources] == ["tap-csv", "tap-csv--bank", "tap-api"]
    alone = select_landed(sources, landing, "tap-csv--bank")
    assert [source.name for source in alone.sources] == ["tap-csv--bank"] and alone.unclaimed == ()


def test_error_names_the_first_landed_file_if_no_landed_file_belongs_to_an_entity(tmp_path: Path) -> None:
    sources = declared_sources(write(tmp_path, PROJECT))
    landing = tmp_path / "landing"
    landing.mkdir()
    with pytest.raises(UsageError, match=r"no CSV file in the landing folder \("):
        refuse_empty(select_landed(sources, landing), landing)
    for name in ("wrong/x.xlsx", "wrong/y.csv"):
        (landing / name).parent.mkdir(exist_ok=True)
        (landing / name).touch()
    with pytest.raises(UsageError, match=r"an entity: wrong/x.xlsx, and 1 more: the path of no entity") as caught:
        refuse_empty(select_landed(sources, landing), landing)
    assert "correct `path`" in caught.value.next_command


@pytest.mark.parametrize(
    ("glob", "found"),
    [
        ("b/**/*.csv", ["b/1/2/z.csv", "b/1/y.csv", "b/x.csv"]),
        ("**/y.csv", ["b/1/y.csv"]),
        ("b/1/**", ["b/1/2/z.csv", "b/1/y.csv"]),
    ],
)
def test_two_stars_in_the_path_of_an_entity_match_any_number_of_folders(
    tmp_path: Path, glob: str, found: list[str]
) -> None:
    landing = tmp_path / "landing"
    for name in ("b/x.csv", "b/1/y.csv", "b/1/2/z.csv"):
        (landing / name).parent.mkdir(parents=True, exist_ok=True)
        (landing / name).touch()
    sources = declared_sources(write(tmp_path, PROJECT.replace("b/*.csv, b/*.txt", f'"{glob}"')))
    files = select_landed(sources, landing).files["bank"]
    assert [str(file.relative_to(landing)) for file in files] == found


def test_file_that_matches_two_entities_is_assigned_to_neither(tmp_path: Path) -> None:
    sources = declared_sources(write(tmp_path, PROJECT.replace("b/*.csv", "h1*")))
    (tmp_path / "landing").mkdir()
    (tmp_path / "landing" / "h1.csv").touch()
    ((_, reason),) = select_landed(sources, tmp_path / "landing").unclaimed
    assert reason == "the paths of hours and bank all match it"


def test_source_that_reads_files_is_left_out_if_it_has_no_file(sources: tuple[Source, ...], tmp_path: Path) -> None:
    assert [source.name for source in select_landed(sources, tmp_path / "none").sources] == ["tap-api"]


def test_file_outside_the_landing_folder_is_found_by_an_absolute_glob(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MINE", str(tmp_path / "mine"))
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "x.csv").touch()
    sources = declared_sources(write(tmp_path, PROJECT.replace("b/*.csv", "$MINE/*.csv")))
    assert select_landed(sources, tmp_path / "none").files["bank"] == (tmp_path / "mine" / "x.csv",)


def test_absolute_glob_selects_landed_files_by_the_same_rules_as_a_relative_glob(
    sources: tuple[Source, ...], tmp_path: Path
) -> None:
    landing = tmp_path / "landing"
    landing.mkdir()
    for name in ("own.dat", "hours.csv"):
        (landing / name).touch()
    text = PROJECT.replace("b/*.csv, b/*.txt", f"{landing}/*.dat, {landing}/hours.csv")
    selection = select_landed(declared_sources(write(tmp_path, text)), landing)
    assert selection.files["bank"] == (landing / "own.dat",) and selection.files["hours"] == ()
    assert selection.unclaimed == ((landing / "hours.csv", "the paths of hours and bank all match it"),)


def test_broken_symlink_and_named_pipe_in_the_landing_folder_are_reported(
    sources: tuple[Source, ...], tmp_path: Path
) -> None:
    landing = tmp_path / "landing"
    (landing / "b").mkdir(parents=True)
    (landing / "b" / "gone.csv").symlink_to(tmp_path / "missing.csv")
    os.mkfifo(landing / "b" / "pipe.csv")
    (tmp_path / "there.csv").touch()
    (landing / "b" / "link.csv").symlink_to(tmp_path / "there.csv")
    found = select_landed(sources, landing)
    assert found.files["bank"] == (landing / "b" / "link.csv",)
    assert [(file.name, "not a file" in why) for file, why in found.unclaimed] == [
        ("gone.csv", True),
        ("pipe.csv", True),
    ]


def test_dates_in_settings_reach_the_tap_unchanged(tmp_path: Path) -> None:
    text = PROJECT.replace(
        "generated_key: row", "generated_key: row, latest_date: 2026-12-31, constants: {since: 2026-01-05}"
    )
    source = declared_sources(write(tmp_path, text))[0]
    selection = Selection((source,), {"invoices": (tmp_path / "a.csv",)})
    environment = meltano_environment(Workspace(tmp_path, tmp_path / "none.duckdb"), selection, tmp_path / "m.db", None)
    (entity,) = json.loads(environment["TAP_CSV_ENTITIES"])
    assert (entity["latest_date"], entity["constants"]) == ("2026-12-31", {"since": "2026-01-05"})


@pytest.mark.parametrize(
    "text",
    [
        "plugins: [", "", "plugins: {extractors: {}}", "plugins: {extractors: [1]}",
        "plugins: {extractors: [{name: '; rm'}]}",
        "plugins: {extractors: [{name: a, inherit_from: a}]}", PROJECT.replace("entity: bank", "entity: hours"),
        PROJECT.replace("entity: bank", "entity: ../bank"), PROJECT.replace("entity: bank", "entity: uploads"),
        PROJECT.replace("[{entity: bank, paths: [b/*.csv, b/*.txt], keys: [id]}]", "bank"),
        PROJECT.replace(", keys: [id]", ""), PROJECT.replace("generated_key: row", "keys: []"),
    ],
)  # fmt: skip
def test_error_about_an_invalid_meltano_yml_is_one_line_with_a_next_command(tmp_path: Path, text: str) -> None:
    with pytest.raises(UsageError) as caught:
        declared_sources(write(tmp_path, text))
    assert caught.value.where.endswith("meltano.yml") and caught.value.next_command
    assert "\n" not in str(caught.value)
