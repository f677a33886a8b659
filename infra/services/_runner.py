"""Define what is the same for the pipeline runner and for the part of Airflow that replaces it."""

from __future__ import annotations

from collections.abc import Mapping

from infra.services._model import Volume
from infra.settings import Settings
from stack_runtime.labels import RUNS_LABEL

NAME = ROLE = "pipeline"
"""Name of the pipeline runner, and of its role in PostgreSQL."""
PASSWORD = f"{ROLE}_password"
DATABASES = ("marts", "meltano")
VOLUMES = (
    Volume("warehouse", "/data"),
    Volume("published", "/data/published"),
    Volume("metrics", "/data/metrics", data=False),
)
"""Volumes of the container that runs the pipeline. Other services mount only `published` and `metrics`, because the
working files of a run are private."""
LABELS = {RUNS_LABEL: "pipeline"}


def environment(settings: Settings) -> Mapping[str, str]:
    """Return the environment variables of the pipeline."""
    return {
        "FDS_DATA_DIR": "/data",
        "FDS_ENVIRONMENT": "prod" if settings.stack == "prod" else "dev",
        "FDS_POSTGRES_HOST": "postgres",
    }
