"""Test that `fds inspect --write` declares a freelancer's files, and that `fds run` then loads them."""

from __future__ import annotations

import json
import os
import pty
import shutil
import subprocess
import sys
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.integration.pipeline.conftest import Ended, ended
from tests.integration.pipeline.own_project import OwnProject

BANK = """Kontonummer;DE00 1234
Zeitraum;01.01.2026 - 31.03.2026

Umsatz-Nr;Buchungstag;Empfänger;Betrag
U1;31.01.2026;Müller & Söhne;1.234,56
U2;01.02.2026;"Büro; Miete";-800,00
U3;02.03.2026;Café;-4,50
"""
HOURS = """No,Project,Start,Minutes,Billable
1,web,2026-01-31 09:00,90,yes
2,print,2026-02-01 10:30,45,no
3,"it's ""new"" {{ env_var('HOME') }}",2026-02-01 11:30,15,yes
"""
INVOICES = """Invoice #\tIssued\tNet ($)\t{{ env_var('x') }}
2026.1\t12/31/2025\t$1,200.00\ta
2026.10\t01/15/2026\t$0.50\t
"""
MADE = {
    "bank": (BANK.encode("cp1252"), ["--key", "Umsatz-Nr", "--set", "encoding=cp1252"]),
    "hours": (HOURS.encode(), ["--key", "No", "--column", "Minutes=integer"]),
    "invoices": (INVOICES.encode(), ["--key", "Invoice #"]),
}
ROWS = {
    "bank": ("umsatz_nr, buchungstag::varchar, empfanger, betrag", [
        ("U1", "2026-01-31", "Müller & Söhne", Decimal("1234.56")),
        ("U2", "2026-02-01", "Büro; Miete", Decimal("-800")),
        ("U3", "2026-03-02", "Café", Decimal("-4.5")),
    ]),
    "hours": ("no, project, start::varchar, minutes, billable", [
        ("1", "web", "2026-01-31 09:00:00", 90, True),
        ("2", "print", "2026-02-01 10:30:00", 45, False),
        ("3", "it's \"new\" {{ env_var('HOME') }}", "2026-02-01 11:30:00", 15, True),
    ]),
    "invoices": ("invoice, issued::varchar, net, env_var_x", [
        ("2026.1", "2025-12-31", Decimal("1200"), "a"),
        ("2026.10", "2026-01-15", Decimal("0.5"), None),
    ]),
}  # fmt: skip


def empty_project(folder: Path) -> OwnProject:
    """Return a project without entities and models, as `fds init` creates it."""
    project = OwnProject(folder, "inspected", {"host": "local"}, sources=True)
    dbt = folder / "data_stack" / "dbt"
    for name in ("models", "tests"):
        shutil.rmtree(dbt / name)
    (dbt / "models").mkdir()
    text = project.meltano_file.read_text()
    begin, end = text.index("          - entity: transactions"), text.index("        quarantine_dir: $MELTANO")
    text = text[:begin].replace("        entities:\n", "        entities: []\n") + text[end:]
    project.meltano_file.write_text(text.replace("        entities: []\n", "        entities: []  # mine\n"))
    return project


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> OwnProject:
    return empty_project(tmp_path_factory.mktemp("inspected"))


def inspected(project: OwnProject, *words: str) -> Ended:
    return ended(project.fds("inspect", *words, "--json"))


@pytest.fixture(scope="module")
def written(project: OwnProject) -> dict[str, Ended]:
    """Inspect and declare the three files with `--write`, one after the other; return the results by entity."""
    for name, (data, _) in MADE.items():
        (project.folder / f"{name}.csv").write_bytes(data)
    return {name: inspected(project, f"{name}.csv", "--write", *words) for name, (_, words) in MADE.items()}


@pytest.mark.slow
def test_option_write_writes_nothing_and_suggests_options_while_settings_are_undecided(project: OwnProject) -> None:
    (project.folder / "open.csv").write_bytes(BANK.encode("cp1252"))
    before = project.meltano_file.read_bytes()
    for more, option in (((), "--set encoding=cp1252"), (("--set", "encoding=cp1252"), "--key Umsatz-Nr")):
        done = inspected(project, "open.csv", "--write", *more)
        errors = [line for line in done.said.splitlines() if line.startswith("fds: ")]  # setup may print other lines
        assert done.code == 2 and option in done.answer["next"] and len(errors) == 1, done.said
    assert project.meltano_file.read_bytes() == before and not list(project.models.rglob("*.sql"))
    report = inspected(project, "open.csv", "--set", "encoding=cp1252")
    assert report.code == 0 and [one["setting"] for one in report.answer["open"]] == ["keys"]


def test_every_file_is_declared_and_the_rest_of_meltano_yml_is_kept(
    project: OwnProject, written: dict[str, Ended]
) -> None:
    assert {name: done.code for name, done in written.items()} == dict.fromkeys(MADE, 0), written
    text = project.meltano_file.read_text()
    assert "# mine" in text and "# Without discover and catalog" in text and '"file://$MELTANO_PROJECT_ROOT' in text
    entities = yaml.safe_load(text)["plugins"]["extractors"][0]["config"]["entities"]
    assert [entity["entity"] for entity in entities] == list(MADE)
    assert entities[0] == {
        "entity": "bank", "path": "bank/*", "keys": ["Umsatz-Nr"], "encoding": "cp1252", "delimiter": ";",
        "decimal": ",", "thousands": ".", "date_formats": ["%d.%m.%Y"],
        "columns": {"Buchungstag": "date", "Empfänger": "string", "Betrag": "decimal"},
    }  # fmt: skip
    again = inspected(project, "bank.csv", "--write", *MADE["bank"][1])
    assert again.code == 2 and "already declared" in again.answer["error"] and "--entity" in again.answer["next"]


@pytest.mark.parametrize("name", MADE)
def test_run_loads_the_declared_file_exactly_and_the_checks_of_its_model_pass(
    project: OwnProject, written: dict[str, Ended], name: str
) -> None:
    run = project.local("run", "--csv", str(project.folder / f"{name}.csv"), "--entity", name)
    assert run.code == 0, run.said
    columns, rows = ROWS[name]
    assert run.answer["rows"] == {"read": len(rows), "loaded": len(rows), "quarantined": 0, "replaced": 0}
    checks = {check["test_name"]: check["status"] for check in run.answer["checks"]}
    key = columns.partition(",")[0]
    assert {f"stg_{name}_{key}_is_unique", f"stg_{name}_{key}_is_not_null"} <= set(checks)
    assert set(checks.values()) == {"pass"}
    assert project.query(f"SELECT {columns} FROM staging.stg_{name} ORDER BY ALL") == rows


def test_path_of_a_file_in_the_landing_folder_determines_its_entity(
    project: OwnProject, written: dict[str, Ended]
) -> None:
    project.land("hours/february.csv", HOURS.replace("1,web", "4,web"))
    run = project.local("run")
    assert run.code == 0 and run.answer["rows"]["loaded"] == 3, run.said
    assert project.query("SELECT count(*) FROM staging.stg_hours") == [(4,)]


@pytest.mark.slow
def test_key_of_two_columns_is_tested_for_unique_pairs(project: OwnProject, written: dict[str, Ended]) -> None:
    (project.folder / "pairs.csv").write_text("order,line,order_\n1,1,a\n1,2,b\n2,1,c\n")
    words = ("--write", "--key", "order", "--key", "line")
    assert inspected(project, "pairs.csv", *words).code == 0
    run = project.local("run", "--csv", str(project.folder / "pairs.csv"), "--entity", "pairs")
    assert run.code == 0, run.said
    assert "stg_pairs_key_is_unique" in {check["test_name"] for check in run.answer["checks"]}
    assert len(project.query("SELECT * FROM staging.stg_pairs")) == 3


def test_questions_at_a_terminal_are_answered_by_number(project: OwnProject) -> None:
    (project.folder / "asked.csv").write_text("nr,day\na,01/02/2026\nb,03/02/2026\n")
    done = _at_a_terminal(project, "1\n1\n", "inspect", "asked.csv")
    assert "1 to " in done and "date formats: %d/%m/%Y" in done, done
    assert "Traceback" not in done and "As loaded" in done and "2026-02-01" in done


def _at_a_terminal(project: OwnProject, typed: str, *words: str) -> str:
    """Run a command with a terminal as input, type the answers, and return the output."""
    ours, theirs = pty.openpty()
    os.write(ours, typed.encode())
    done = subprocess.run(
        [sys.executable, "-m", "fds.main", *words], cwd=project.folder, env=project.variables(), stdin=theirs,
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False, timeout=120,
    )  # fmt: skip
    os.close(ours)
    os.close(theirs)
    return done.stdout


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("missing.csv",), "no such CSV file"),
        ((".",), "is a folder"),
        (("bank.csv", "--set", "encoding"), "not NAME=VALUE"),
        (("bank.csv", "--set", "encoding=klingon"), "is not a known encoding"),
        (("bank.csv", "--set", "color=red"), "unknown"),
        (("bank.csv", "--set", "entity=other"), "not a format setting"),
        (("bank.csv", "--column", "Betrag=money"), "type 'money'"),
        (
            ("bank.csv", "--set", "encoding=cp1252", "--column", "Betrg=decimal"),
            "column 'Betrg' is declared, but the header",
        ),
        (("bank.csv", "--write", "--entity", "../bank"), "an entity's name"),
        (("bank.csv", "--write", "--entity", "uploads"), "an entity's name"),
    ],
)
def test_usage_error_is_reported_in_one_line(project: OwnProject, words: tuple[str, ...], reason: str) -> None:
    (project.folder / "bank.csv").write_bytes(MADE["bank"][0])
    done: Any = inspected(project, *words)
    assert done.code == 2 and reason in done.said and done.said.count("\n") == 1 and done.answer["next"], done.said


def test_settings_that_are_objects_are_given_as_json(project: OwnProject) -> None:
    (project.folder / "moves.csv").write_text("Konto Nr,Soll,Haben\nk1,5.50,\nk2,,7.25\n")
    sides = {"amount": {"debit": "Soll", "credit": "Haben"}}
    words = ["--key", "id", "--set", 'renames={"Konto Nr": "id"}', "--set", f"debit_credit={json.dumps(sides)}"]
    done = inspected(project, "moves.csv", *words)
    assert done.code == 0 and not done.answer["open"], done.said
    assert (done.answer["entity"]["renames"], done.answer["entity"]["debit_credit"]) == ({"Konto Nr": "id"}, sides)
    columns = list(done.answer["loaded_columns"])
    found = [row[columns.index("amount")] for row in done.answer["sample"]]
    assert found == ["-5.5000", "7.2500"] and "id" in columns and "Konto Nr" not in columns
    wrong = inspected(project, "moves.csv", "--key", "id", "--set", "renames=Konto Nr")
    assert wrong.code == 2 and "setting renames must map names to texts" in wrong.answer["error"]
