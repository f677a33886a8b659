"""Define PostgreSQL 15, which holds Meltano's state, run records, marts, and the databases of Airflow and Metabase."""

from __future__ import annotations

from importlib.resources import files

from infra.services._model import Context, File, Health, Resources, Service, Volume

RESERVED = ("airflow", "metabase")
"""Databases that exist in every stack; the superuser owns them in stacks without the service that declares them."""

_HBA = """# Who may log in, and how: the superuser inside the container, and roles with their password.
local all postgres peer
local all all scram-sha-256
host all all all scram-sha-256
"""
# Log in over the network with a password, as the services do. `postgres.sh` installs the password file only after the
# roles and databases are complete, so the check fails until then.
_READY = (
    'PGPASSFILE=/tmp/passwords PGCONNECT_TIMEOUT=4 exec "/usr/lib/postgresql/$PG_MAJOR/bin/psql" '
    '--no-psqlrc --no-password --quiet --host="$HOSTNAME" --username=postgres --dbname=postgres --command="SELECT" '
    ">/dev/null"
)


def _start(_: Context) -> str:
    return files("infra.services").joinpath("postgres.sh").read_text(encoding="utf-8")


def _passwords(context: Context) -> str:
    """Return the superuser's line of a libpq password file."""
    password = context.secrets["postgres_password"].replace("\\", "\\\\").replace(":", "\\:")
    return f"*:*:*:postgres:{password}\n"


def _roles(context: Context) -> str:
    """Return SQL for psql that can run repeatedly: roles, databases, and read permissions."""
    owners = dict.fromkeys(RESERVED, "postgres")
    lines: list[str] = []
    for service in context.services:
        if service.role:
            lines += _role(service.role, context.secrets[f"{service.role}_password"])
            lines += [f"GRANT {granted} TO {service.role};" for granted in service.member_of]
        owners |= dict.fromkeys(service.databases, service.role)
    for database, owner in owners.items():
        lines += _database(database, owner)
    for service in context.services:
        for database in service.reads:
            lines += _reader(service.role, database, owners[database])
        if service.marts_reader:
            lines += _role(service.marts_reader, context.secrets[f"{service.marts_reader}_password"])
            lines += _marts_reader(service.marts_reader, owners["marts"])
    # Set the password of the superuser last, so that all roles and databases exist once the superuser can log in.
    lines.append(f"ALTER ROLE postgres PASSWORD {_literal(context.secrets['postgres_password'])};")
    return "\n".join(lines) + "\n"


def _literal(text: str) -> str:
    return "'" + text.replace("'", "''") + "'"


def _role(name: str, password: str) -> list[str]:
    return [
        f"SELECT 'CREATE ROLE {name}' WHERE NOT EXISTS (SELECT FROM pg_roles WHERE rolname = '{name}') \\gexec",
        f"ALTER ROLE {name} WITH LOGIN NOSUPERUSER NOCREATEDB NOCREATEROLE PASSWORD {_literal(password)};",
    ]


def _database(name: str, owner: str) -> list[str]:
    return [
        f"SELECT 'CREATE DATABASE {name}' WHERE NOT EXISTS (SELECT FROM pg_database WHERE datname = '{name}') \\gexec",
        f"ALTER DATABASE {name} OWNER TO {owner};",
        f"REVOKE CONNECT, TEMPORARY ON DATABASE {name} FROM PUBLIC;",
    ]


def _reader(role: str, database: str, owner: str) -> list[str]:
    """Return SQL that lets `role` read all present and future tables of `owner` in `database`."""
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


def _marts_reader(role: str, owner: str) -> list[str]:
    """Return SQL that lets `role` read all present and future tables of the schema `marts`; `owner` creates them."""
    return [
        f"GRANT CONNECT ON DATABASE marts TO {role};",
        "\\connect marts",
        f"CREATE SCHEMA IF NOT EXISTS marts AUTHORIZATION {owner};",
        f"GRANT USAGE ON SCHEMA marts TO {role};",
        f"GRANT SELECT ON ALL TABLES IN SCHEMA marts TO {role};",
        f"ALTER DEFAULT PRIVILEGES FOR ROLE {owner} IN SCHEMA marts GRANT SELECT ON TABLES TO {role};",
        "\\connect postgres",
    ]


_OPTIONS = tuple(
    word
    for option in (
        "hba_file=/run/fds/pg_hba.conf",
        "listen_addresses=*",
        "max_connections=60",
        "shared_buffers=64MB",
        "password_encryption=scram-sha-256",
    )
    for word in ("-c", option)
)

SERVICE = Service(
    name="postgres",
    image="postgres:15",
    user="999:999",
    entrypoint=("bash", "/run/fds/start.sh"),
    command=_OPTIONS,
    environment=lambda _: {"PGDATA": "/var/lib/postgresql/data/pgdata"},
    secrets=("postgres_password",),
    files=(
        File("start.sh", _start),
        File("pg_hba.conf", lambda _: _HBA),
        File("passwords", _passwords),
        File("roles.sql", _roles),
    ),
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
