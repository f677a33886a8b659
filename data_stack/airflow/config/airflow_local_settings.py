"""Define Airflow's policies for DAGs: a second DAG with the same id is an error. Airflow imports this module by name.

Without these policies, the definition that Airflow parsed last would replace the other definitions of
the same id without a message. Airflow finds the DAGs of a file in two ways, and each way has its own check: a `with`
block or decorator registers the DAG (`_RegisteredDags`), or a variable of the module has the DAG as its value
(`_count_in_module`).
"""

from __future__ import annotations

import hashlib
import os
import sys
from contextlib import suppress
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from airflow.exceptions import AirflowClusterPolicyViolation
from airflow.sdk.definitions._internal.contextmanager import DagContext

if TYPE_CHECKING:
    from airflow.sdk import DAG

_PACKAGE = Path("/app/data_stack/airflow/standard_dags")
"""Folder of the package's DAGs. Each file in this folder has one DAG, whose id is the name of the file."""
_PROJECT = Path("/app/data_stack/airflow/dags")
_FILES = os.environ.get("FDS_DAG_FILES", "")
"""Folder that records which files define which DAG id: one folder for each id, with one link to each of its files.
Only the DAG processor has this folder, because it parses all files; a task parses only its own file. After a restart,
the folder is empty."""


class _RegisteredDags(set[tuple["DAG", ModuleType]]):
    """The set in which Airflow collects the DAGs of the file that it parses.

    To Airflow, two DAGs are equal if they differ only in what their tasks do, so an ordinary set would keep only
    one of them.
    """

    def add(self, registered: tuple[DAG, ModuleType]) -> None:
        """Add a DAG with its module.

        Raises:
            AirflowClusterPolicyViolation: the file has another DAG with the same id, so the file cannot be imported.
        """
        dag, module = registered
        for other, other_module in self:
            if other.dag_id == dag.dag_id and other is not dag:
                raise _doubled(dag.dag_id, [str(other_module.__file__), str(module.__file__)])
        super().add(registered)


DagContext.autoregistered_dags = _RegisteredDags()


def dag_policy(dag: DAG) -> None:
    """Refuse a DAG of the project whose id belongs to a DAG of the package, or is defined more than once.

    If several files define the id, the file that was parsed first is refused only when it is parsed again.

    Raises:
        AirflowClusterPolicyViolation: the id is taken; Airflow records it as an import error of the file.
    """
    if _PACKAGE in Path(dag.fileloc).parents:
        return
    if dag.dag_id in {file.stem for file in _PACKAGE.glob("*.py")}:
        raise AirflowClusterPolicyViolation(f"the DAG id {dag.dag_id} belongs to a DAG of the package; choose another")
    files = [dag.fileloc] * _count_in_module(dag)
    if len(files) == 1 and _FILES:
        files = _files_that_define(dag)
    if len(files) > 1:
        raise _doubled(dag.dag_id, files)


def _count_in_module(dag: DAG) -> int:
    """Return the number of DAGs with the id of `dag` in variables of its module; at least 1, for `dag` itself."""
    modules = [vars(module) for module in list(sys.modules.values()) if module]
    found = [
        {id(value) for value in module.values() if isinstance(value, type(dag)) and value.dag_id == dag.dag_id}
        for module in modules
        if module.get("__file__") == dag.fileloc
    ]
    return max([1, *map(len, found)])


def _files_that_define(dag: DAG) -> list[str]:
    """Record the file of the DAG, and return all files that are known to define its id."""
    folder = Path(_FILES) / _digest(dag.dag_id)
    folder.mkdir(parents=True, exist_ok=True)
    with suppress(FileExistsError):  # the file was recorded when it was last parsed
        (folder / _digest(dag.fileloc)).symlink_to(dag.fileloc)
    return [str(link.readlink()) for link in folder.iterdir()]


def _digest(text: str) -> str:
    """Return the SHA-256 of `text` as a file name; `text` itself may be an invalid or too long file name."""
    return hashlib.sha256(text.encode()).hexdigest()


def _doubled(dag_id: str, files: list[str]) -> AirflowClusterPolicyViolation:
    named = " and ".join(sorted({os.path.relpath(file, _PROJECT) for file in files}))
    return AirflowClusterPolicyViolation(
        f"the DAG id {dag_id} is defined {len(files)} times, in {named}; define it once"
    )
