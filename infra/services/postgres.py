"""PostgreSQL 15: Meltano's state, run records, the marts for BI tools, and the databases of later profiles."""

from __future__ import annotations

from infra.services._model import Context, File, Health, Resources, Service, Volume, secret

RESERVED = ("airflow", "metabase")
"""Databases made from the first start on, so that adding their profile later needs no superuser."""

_START = """#!/bin/bash
# The official entrypoint runs its init files once only; roles and databases follow the services at every start.
set -u
rm -f /tmp/ready
docker-entrypoint.sh postgres "$@" &
server=$!
trap 'kill -INT "$server"' TERM INT
until pg_isready -q -h 127.0.0.1; do
  kill -0 "$server" || exit 1
  sleep 0.2
done
psql -v ON_ERROR_STOP=1 -q -U postgres -d postgres -f /run/fds/roles.sql && touch /tmp/ready
wait "$server"
wait "$server"
"""
# The distribution's own pg_isready is a script in Perl that looks for this one, at half of the whole price of a check.
_READY = 'test -f /tmp/ready && PATH="/usr/lib/postgresql/15/bin:$PATH" pg_isready -q -h 127.0.0.1'


def _roles(context: Context) -> str:
    """SQL for psql that may run any number of times: roles, databases, and who may read what."""
    owners = dict.fromkeys(RESERVED, "postgres")
    lines: list[str] = []
    for service in context.services:
        if service.role:
            lines += _role(service.role, context.secrets[f"{service.role}_password"])
        owners |= dict.fromkeys(service.databases, service.role)
    for database, owner in owners.items():
        lines += _database(database, owner)
    for service in context.services:
        for database in service.reads:
            lines += _reader(service.role, database, owners[database])
    return "\n".join(lines) + "\n"


def _role(name: str, password: str) -> list[str]:
    return [
        f"SELECT 'CREATE ROLE {name}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') \\gexec",
        f"ALTER ROLE {name} WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD '{password}';",
    ]


def _database(name: str, owner: str) -> list[str]:
    return [
        f"SELECT 'CREATE DATABASE {name}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec",
        f"ALTER DATABASE {name} OWNER TO {owner};",
        f"REVOKE CONNECT ON DATABASE {name} FROM PUBLIC;",
    ]


def _reader(role: str, database: str, owner: str) -> list[str]:
    """`role` reads all that `owner` has made in `database` and all that it will make."""
    return [
        f"GRANT CONNECT ON DATABASE {database} TO {role};",
        f"\\connect {database}",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT USAGE ON SCHEMAS TO {role};",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} GRANT SELECT ON TABLES TO {role};",
        f"SELECT format('GRANT USAGE ON SCHEMA %I TO {role}', nspname) FROM pg_namespace "
        f"WHERE nspowner = '{owner}'::regrole \\gexec",
        f"SELECT format('GRANT SELECT ON ALL TABLES IN SCHEMA %I TO {role}', nspname) FROM pg_namespace "
        f"WHERE nspowner = '{owner}'::regrole \\gexec",
        "\\connect postgres",
    ]


SERVICE = Service(
    name="postgres",
    summary="PostgreSQL 15: run records, Meltano state, marts",
    image="postgres:15",
    user="999:999",
    entrypoint=("bash", "/run/fds/start.sh"),
    command=("-c", "max_connections=60", "-c", "shared_buffers=64MB", "-c", "password_encryption=scram-sha-256"),
    environment=lambda _: {
        "POSTGRES_PASSWORD_FILE": "/run/fds/postgres_password",
        "PGDATA": "/var/lib/postgresql/data/pgdata",
        "POSTGRES_HOST_AUTH_METHOD": "scram-sha-256",
    },
    secrets=("postgres_password",),
    files=(secret("postgres_password"), File("start.sh", lambda _: _START), File("roles.sql", _roles)),
    volumes=(Volume("postgres", "/var/lib/postgresql/data"),),
    tmpfs=("/tmp", "/var/run/postgresql"),
    resources=Resources(
        memory_mb=128,
        memory_limit_mb=512,
        cpu=0.25,
        cpu_limit=1.0,
        disk_gb=2,
        image_mb=448,
        measured="53 MiB at the peak of a run over 200,000 rows; 64 MiB of shared buffers fill with use",
    ),
    shm_mb=128,
    health=Health(("sh", "-c", _READY), retries=24),
)
