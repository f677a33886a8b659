"""`fds init`: make the folder of a new project."""

from __future__ import annotations

import re
import shutil
import tempfile
from pathlib import Path
from typing import Annotated
from uuid import uuid4

import typer

from fds.output import say

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the project and of its folder.")]
Demo = Annotated[bool, typer.Option("--demo", help="Add the demo: transactions, their models and a sample file.")]

_TEMPLATE = Path(__file__).with_name("templates") / "project"
_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,60}")
_OF_DBT = ("dbt", "dbt_duckdb")
"""Names of dbt's own packages; dbt refuses a project that has one of these names."""
_BASIS = (
    "airflow/dags/README.md",
    "dashboards/README.md",
    "dbt/dbt_project.yml",
    "dbt/profiles.yml",
    "dbt/macros",
    "dbt/tests/generic",
    "meltano/meltano.yml",
)
"""Paths in `data_stack` that every new project gets."""
_DEMO = ("airflow/dags", "dashboards", "dbt", "meltano", "samples/transactions.csv")
_DBT_NAME = "ai_agent_data_stack"
"""Name of the demo's dbt project and profile."""
_NOT_COPIED = shutil.ignore_patterns("__pycache__", ".meltano", "dbt_packages", "logs", "output", "target", ".env")


def command(name: Name, demo: Demo = False) -> None:
    """Make the folder of a new project: settings, sources, models and pages, empty or with the demo."""
    from stack_runtime.errors import UsageError

    if not _NAME.fullmatch(name):
        raise UsageError(
            "a project's name begins with a letter and contains only letters, digits, - and _",
            where=repr(name[:80]),
            next_command="fds init my-data",
        )
    if _dbt_name(name) in _OF_DBT:
        raise UsageError("dbt has a package of this name", where=name, next_command="fds init my-data")
    folder = Path.cwd() / name
    if folder.exists() and (not folder.is_dir() or any(folder.iterdir())):
        raise UsageError("this already exists", where=str(folder), next_command="choose another name, or remove it")
    try:
        with tempfile.TemporaryDirectory(dir=folder.parent, prefix=f".{name}-") as work:
            draft = Path(work) / name
            _write(draft, name, demo)
            draft.rename(folder)
    except OSError as error:
        reason = error.strerror or str(error)
        raise UsageError(
            f"the project cannot be written: {reason}",
            where=str(folder),
            next_command="use a folder that you may write",
        ) from None
    say(f"made {folder}; next:")
    for line in _next_commands(name, demo):
        say(f"  {line}")


def _write(draft: Path, name: str, demo: bool) -> None:
    """Write the whole project into the folder `draft`, which must not exist yet."""
    from stack_runtime.source_tree import source_tree

    shutil.copytree(_TEMPLATE, draft, ignore=_NOT_COPIED)
    (draft / "gitignore").rename(draft / ".gitignore")
    package, content = source_tree() / "data_stack", draft / "data_stack"
    for item in filter(lambda item: (package / item).exists(), _DEMO if demo else _BASIS):
        target = content / item
        target.parent.mkdir(parents=True, exist_ok=True)
        if (package / item).is_dir():
            shutil.copytree(package / item, target, ignore=_NOT_COPIED)
        else:
            shutil.copyfile(package / item, target)
    (content / "dbt" / "models" / "marts").mkdir(parents=True, exist_ok=True)
    _name_project(draft, name)
    if not demo:
        _remove_entities(content / "meltano" / "meltano.yml")


def _name_project(draft: Path, name: str) -> None:
    """Write the project's name into README.md and the dbt project, and a new id into the Meltano project."""
    dbt, meltano = draft / "data_stack" / "dbt", draft / "data_stack" / "meltano" / "meltano.yml"
    readme = draft / "README.md"
    readme.write_text(readme.read_text().replace("PROJECT", name, 1))
    for file in (dbt / "dbt_project.yml", dbt / "profiles.yml"):
        file.write_text(file.read_text().replace(_DBT_NAME, _dbt_name(name)))
    meltano.write_text(re.sub(r"(?m)^project_id: .*$", f"project_id: {uuid4()}", meltano.read_text()))


def _dbt_name(name: str) -> str:
    return name.replace("-", "_").lower()


def _remove_entities(file: Path) -> None:
    """Remove the demo's entity from `meltano.yml`, with the comments inside the entity."""
    from ruamel.yaml.comments import CommentedSeq

    from stack_runtime.yaml_files import round_trip, to_text

    document = round_trip().load(file)
    none = CommentedSeq()
    none.fa.set_flow_style()
    document["plugins"]["extractors"][0]["config"]["entities"] = none
    file.write_text(to_text(document), encoding="utf-8")


def _next_commands(name: str, demo: bool) -> list[str]:
    load = "fds run --local --csv data_stack/samples/transactions.csv"
    first = load if demo else "declare your data in data_stack/meltano/meltano.yml, as README.md shows"
    return [f"cd {name}", first, "fds setup && fds up"]
