"""Define Metabase: questions and dashboards on the marts in PostgreSQL, for people who do not write code."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from infra.services import _metabase
from infra.services._model import Context, File, Health, Resources, Route, Service, Volume, address_of, secret, serves
from infra.settings import Settings
from stack_runtime.text import Say

if TYPE_CHECKING:
    from docker import DockerClient

HEAP_MB = 1500
_KEY = "metabase_encryption_key"


def _environment(settings: Settings) -> Mapping[str, str]:
    return {
        "JAVA_OPTS": f"-Xmx{HEAP_MB}m",
        "JAVA_TIMEZONE": "UTC",
        "MB_JETTY_HOST": "0.0.0.0",
        "MB_JETTY_PORT": str(_metabase.PORT),
        "MB_SITE_URL": address_of(_metabase.NAME, settings),
        "MB_DB_TYPE": "postgres",
        "MB_DB_HOST": "postgres",
        "MB_DB_PORT": "5432",
        "MB_DB_DBNAME": "metabase",
        "MB_DB_USER": _metabase.ROLE,
        "MB_DB_PASS_FILE": f"/run/fds/{_metabase.ROLE}_password",
        # Keep the pools small, because all services share the 60 connections of PostgreSQL.
        "MB_APPLICATION_DB_MAX_CONNECTION_POOL_SIZE": "8",
        "MB_JDBC_DATA_WAREHOUSE_MAX_CONNECTION_POOL_SIZE": "5",
        "MB_LOAD_SAMPLE_CONTENT": "false",
        "MB_ENABLE_PUBLIC_SHARING": "false",
        "MB_ANON_TRACKING_ENABLED": "false",
        "MB_CHECK_FOR_UPDATES": "false",
        "MB_AI_FEATURES_ENABLED": "false",
    }


def _start(_: Context) -> str:
    """Return the start script. It exports the encryption key, which the image does not read from a file."""
    return f'MB_ENCRYPTION_SECRET_KEY=$(cat /run/fds/{_KEY}) && export MB_ENCRYPTION_SECRET_KEY && exec "$@"\n'


def _fill(client: DockerClient, stack: str, say: Say) -> None:
    from stack_runtime.metabase.remote import fill_deployed

    fill_deployed(client, stack, say)


SERVICE = Service(
    name=_metabase.NAME,
    image="metabase/metabase:v0.64.1.5",
    profile=_metabase.PROFILE,
    user="2000:2000",
    entrypoint=("sh", "/run/fds/start.sh"),
    command=("/app/run_metabase.sh",),
    environment=_environment,
    secrets=(_KEY, _metabase.ADMIN_PASSWORD),
    files=(File("start.sh", _start), secret(_KEY), secret(f"{_metabase.ROLE}_password")),
    role=_metabase.ROLE,
    databases=("metabase",),
    marts_reader=_metabase.READER,
    volumes=(Volume("metabase-plugins", "/plugins", data=False),),  # the drivers that Metabase unpacks when it starts
    tmpfs=("/tmp",),
    needs=("postgres",),
    route=Route(_metabase.NAME, _metabase.PORT, sends_policy=True),
    resources=Resources(
        memory_mb=2048,
        memory_limit_mb=2048,
        cpu=0.25,
        cpu_limit=2.0,
        disk_gb=1,
        image_mb=1536,
    ),
    # Allow ten minutes for a start, because the first start creates the application database, which takes minutes on a
    # small server.
    health=Health(
        serves(_metabase.PORT, "/api/health"),
        interval_s=10,
        retries=12,
        start_period_s=600,
    ),
    after_up=_fill,
)
