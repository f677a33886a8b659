"""Find the content of a data stack: sources, models, pages and DAGs, which belong to the project, not the package."""

from __future__ import annotations

from pathlib import Path

from stack_runtime.errors import UsageError
from stack_runtime.paths import project_dir
from stack_runtime.source_tree import source_tree

FOLDERS = ("airflow/dags", "dashboards", "dbt", "meltano")
"""Folders of `data_stack` that are content. Its other folders, such as `singer`, belong to the package."""


def content_dir() -> Path:
    """Return the project's folder `data_stack`; without a project or such a folder, return that of the source tree.

    The source tree of an image has a copy of the project's content; any other source tree has the demo.
    """
    try:
        own = project_dir() / "data_stack"
    except UsageError:
        return source_tree() / "data_stack"
    return own if own.is_dir() else source_tree() / "data_stack"


def meltano_project() -> Path:
    """Return the folder of the project's `meltano.yml`."""
    return content_dir() / "meltano"


def dbt_project() -> Path:
    """Return the folder of the project's `dbt_project.yml`."""
    return content_dir() / "dbt"
