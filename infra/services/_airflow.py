"""Define what all parts of Airflow share: image, configuration and secrets."""

from __future__ import annotations

import base64
import hashlib
import json
from collections.abc import Mapping

from infra.services import _metabase, _runner
from infra.services._model import Build, Context, File, Health, Volume, address_of, secret
from infra.services._receivers import SLACK_URL, SMTP_PASSWORD, WEBHOOK_URL, asked, has_login, receivers
from infra.settings import Settings

PROFILE = "orchestration"
IMAGE = Build("data_stack/images/airflow/Dockerfile")
USER = "10001:10001"
API_SERVER = "airflow-api-server"
PORT = 8080
CONCURRENCY = 2
"""How many tasks run in parallel in one worker, or in a scheduler that runs them itself."""
GRACE_S = 300
"""Seconds that a stopping container waits for the tasks that it runs; it starts no new tasks in that time."""
LOGS = Volume("airflow-logs", "/var/log/airflow")
"""Volume of the tasks' logs. All parts of Airflow mount it, because the API server reads the logs of tasks from it."""


def is_orchestrated(settings: Settings) -> bool:
    """Return whether Airflow runs in the stack."""
    return settings.has(PROFILE)


def has_workers(settings: Settings) -> bool:
    """Return whether Celery workers run the tasks."""
    return is_orchestrated(settings) and settings.executor == "celery"


def environment(settings: Settings) -> Mapping[str, str]:
    """Return the variables that all parts share. The value of a `_CMD` variable is a command that prints a secret."""
    celery = settings.executor == "celery"
    values = {
        "CORE__EXECUTOR": "CeleryExecutor" if celery else "LocalExecutor",
        "DAG_PROCESSOR__DAG_BUNDLE_CONFIG_LIST": _bundles(),
        "CORE__DAGS_ARE_PAUSED_AT_CREATION": "False",
        "CORE__LOAD_EXAMPLES": "False",
        "CORE__FERNET_KEY_CMD": "cat /run/fds/fernet_key",
        "CORE__EXECUTION_API_SERVER_URL": f"http://{API_SERVER}:{PORT}/execution/",
        "CORE__SIMPLE_AUTH_MANAGER_USERS": "admin:admin,agent:user",
        "CORE__SIMPLE_AUTH_MANAGER_PASSWORDS_FILE": "/tmp/passwords.json",
        "DATABASE__SQL_ALCHEMY_CONN_CMD": "cat /run/fds/database_url",
        "DATABASE__SQL_ALCHEMY_POOL_SIZE": "3",
        "API__BASE_URL": f"{address_of('airflow', settings)}/",
        "API__HOST": "0.0.0.0",
        "API__PORT": str(PORT),
        "API__SECRET_KEY_CMD": "cat /run/fds/secret_key",
        "API_AUTH__JWT_SECRET_CMD": "cat /run/fds/jwt_secret",
        "DAG_PROCESSOR__PARSING_PROCESSES": "1",
        "DAG_PROCESSOR__MIN_FILE_PROCESS_INTERVAL": "300",  # in seconds; long, because DAGs change only with the image
        "SCHEDULER__ENABLE_HEALTH_CHECK": "True",
        # Treat a task as dead and repeat it if it sends no heartbeat for this number of seconds.
        "SCHEDULER__TASK_INSTANCE_HEARTBEAT_TIMEOUT": "60",
        "LOGGING__BASE_LOG_FOLDER": LOGS.path,
        "USAGE_DATA_COLLECTION__ENABLED": "False",
    }
    if celery:
        values |= {
            "CELERY__BROKER_URL_CMD": "cat /run/fds/broker_url",
            "CELERY__RESULT_BACKEND_CMD": "cat /run/fds/result_backend",
            "CELERY__WORKER_CONCURRENCY": str(CONCURRENCY),
            "CELERY__SYNC_PARALLELISM": "1",
        }
    return {f"AIRFLOW__{key}": value for key, value in values.items()} | {"FDS_SCHEDULE": settings.schedule}


def _bundles() -> str:
    """Return Airflow's list of DAG bundles, the folders of the package and of the user's project, as JSON."""
    return json.dumps(
        [
            {
                "name": name,
                "classpath": "airflow.dag_processing.bundles.local.LocalDagBundle",
                "kwargs": {"path": f"/app/data_stack/airflow/{folder}"},
            }
            for name, folder in (("package", "standard_dags"), ("project", "dags"))
        ]
    )


def parallelism(settings: Settings) -> Mapping[str, str]:
    """Return the environment variable with the number of parallel tasks, for the scheduler only.

    It depends on the number of workers. If all parts had this variable, a change of that number would replace the
    containers of all parts.
    """
    return {"AIRFLOW__CORE__PARALLELISM": str(CONCURRENCY * (settings.workers if has_workers(settings) else 1))}


def runner_environment(settings: Settings) -> Mapping[str, str]:
    """Return the environment variables of the part of Airflow that runs tasks, and of the pipeline in it."""
    return {**environment(settings), **_runner.environment(settings)}


def _key(purpose: str) -> File:
    """Return a file with a secret derived from `airflow_key`: the hexadecimal digits of a SHA-512."""
    return File(purpose, lambda context: _digest(context, purpose).hex())


def _digest(context: Context, purpose: str) -> bytes:
    return hashlib.sha512(f"{purpose} {context.secrets['airflow_key']}".encode()).digest()


def _fernet_key(context: Context) -> str:
    return base64.urlsafe_b64encode(_digest(context, "fernet_key")[:32]).decode()


def _database_url(scheme: str, context: Context) -> str:
    return f"{scheme}://airflow:{context.secrets['airflow_password']}@postgres:5432/airflow"


def _passwords(context: Context) -> str:
    """Return the passwords of Airflow's users, as JSON: `admin` (the password of the stack's login) and `agent`."""
    return json.dumps({"admin": context.secrets["ui_password"], "agent": context.secrets["airflow_agent_password"]})


BROKER_URL = File(
    "broker_url", lambda context: f"redis://:{context.secrets['redis_password']}@redis:6379/0", has_workers
)
SECRETS = ("airflow_key", "airflow_password", "redis_password")
FILES = (
    _key("secret_key"),
    _key("jwt_secret"),
    File("fernet_key", _fernet_key),
    File("database_url", lambda context: _database_url("postgresql+psycopg2", context)),
    File("result_backend", lambda context: _database_url("db+postgresql+psycopg2", context), has_workers),
    BROKER_URL,
)
PASSWORDS = File("passwords.json", _passwords)
RUNNER_SECRETS = (*SECRETS, _runner.PASSWORD)
RUNNER_VOLUMES = (*_runner.VOLUMES, LOGS)


def _notifications(context: Context) -> str:
    """Return the configuration that `data_stack/airflow/notify.py` reads, as JSON."""
    settings = context.settings
    found: dict[str, object] = {"stack": settings.stack}
    found |= {name: context.secrets[name] for name in (SLACK_URL, WEBHOOK_URL) if name in asked(settings)}
    if settings.notify.email:
        password = context.secrets[SMTP_PASSWORD] if has_login(settings) else ""
        found["email"] = {**settings.notify.email.model_dump(), "password": password}
    return json.dumps(found)


NOTIFY = File("notify.json", _notifications, lambda settings: bool(receivers(settings)))
RUNNER_FILES = (*FILES, NOTIFY, secret(_runner.PASSWORD), _metabase.ACCESS)


def health(part: str, *, interval_s: int = 15) -> Health:
    """Return the health check of `part`, an argument of `data_stack/airflow/health.py`."""
    command = ("/app/.venvs/airflow/bin/python", "/app/data_stack/airflow/health.py", part)
    return Health(command, interval_s=interval_s, timeout_s=20, retries=12, start_period_s=60)
