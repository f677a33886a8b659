"""Airflow imports this module by its name: a policy for DAGs, which makes a DAG of the user with a taken id an error.

Without it, the file that Airflow parsed last would replace the other DAG of the same id without a message.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from airflow.exceptions import AirflowClusterPolicyViolation

if TYPE_CHECKING:
    from airflow.sdk import DAG

_PACKAGE = Path("/app/data_stack/airflow/standard_dags")
"""Each file here has one DAG, whose id is the name of the file."""


def dag_policy(dag: DAG) -> None:
    """Refuse a DAG of the project whose id belongs to a DAG of the package.

    Raises:
        AirflowClusterPolicyViolation: the id is taken; Airflow records it as an import error of the file.
    """
    if _PACKAGE not in Path(dag.fileloc).parents and (_PACKAGE / f"{dag.dag_id}.py").exists():
        raise AirflowClusterPolicyViolation(f"the DAG id {dag.dag_id} belongs to a DAG of the package; choose another")
