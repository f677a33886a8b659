"""The DAG `maintenance`: remove rows of Airflow's database and log files that are older than 30 days."""

from __future__ import annotations

import os
import subprocess
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from airflow.sdk import dag, task
from airflow.sdk.exceptions import AirflowException

from data_stack.airflow.notify import notify_failure

KEPT = timedelta(days=30)
TASK = {"retries": 2, "retry_delay": timedelta(minutes=5), "execution_timeout": timedelta(minutes=30)}


@dag(
    schedule="30 3 * * 0",
    catchup=False,
    max_active_runs=1,
    on_failure_callback=notify_failure,
    doc_md=__doc__,
)
def maintenance() -> None:
    """Define the tasks of the DAG, which do not depend on each other."""

    @task(**TASK)
    def clean_database() -> None:
        before = (datetime.now(UTC) - KEPT).isoformat()
        command = ["/app/.venvs/airflow/bin/airflow", "db", "clean", "--clean-before-timestamp", before]
        # In a task, Airflow sets `AIRFLOW__DATABASE__SQL_ALCHEMY_CONN` to an address that gives no access to its
        # database. Without this variable, the command gets the real address from
        # `AIRFLOW__DATABASE__SQL_ALCHEMY_CONN_CMD`.
        environment = {key: value for key, value in os.environ.items() if key != "AIRFLOW__DATABASE__SQL_ALCHEMY_CONN"}
        done = subprocess.run(
            [*command, "--skip-archive", "--yes"], env=environment, capture_output=True, text=True, check=False
        )
        print(done.stdout)
        if done.returncode:
            raise AirflowException(f"airflow db clean failed: {done.stderr.strip()[-1000:]}")

    @task(**TASK)
    def remove_old_logs() -> int:
        root, oldest = Path(os.environ["AIRFLOW__LOGGING__BASE_LOG_FOLDER"]), time.time() - KEPT.total_seconds()
        old = [file for file in root.rglob("*.log") if file.stat().st_mtime < oldest]
        for file in old:
            file.unlink(missing_ok=True)
        return len(old)

    clean_database()
    remove_old_logs()


maintenance()
