"""Connect to the optional PostgreSQL of the stack, which stores marts and records of runs."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psycopg

from stack_runtime.errors import UnreachableError

PASSWORD_FILE = Path("/run/fds/pipeline_password")


@dataclass(frozen=True)
class PostgresConfig:
    """Address, user and password of PostgreSQL. Only Meltano gets the password as an environment variable."""

    host: str
    port: int
    user: str
    password: str

    @classmethod
    def from_environment(cls) -> PostgresConfig | None:
        """Read the environment variables `FDS_POSTGRES_*` and the password file; return None if no host is set.

        Raises:
            UnreachableError: the password file cannot be read.
        """
        host = os.environ.get("FDS_POSTGRES_HOST")
        if not host:
            return None
        file = Path(os.environ.get("FDS_POSTGRES_PASSWORD_FILE", PASSWORD_FILE))
        try:
            password = file.read_text().strip()
        except OSError as error:
            raise UnreachableError(
                f"the PostgreSQL password cannot be read: {error.strerror}", where=str(file), next_command="fds up"
            ) from None
        port = int(os.environ.get("FDS_POSTGRES_PORT", "5432"))
        return cls(host, port, os.environ.get("FDS_POSTGRES_USER", "pipeline"), password)

    def connect(self, name: str, *, autocommit: bool = False) -> psycopg.Connection[tuple[Any, ...]]:
        """Open a connection to the database `marts`.

        TCP keepalives let PostgreSQL notice a lost client within about a minute and release its locks.

        Args:
            name: application name, which PostgreSQL shows for the connection.

        Raises:
            UnreachableError: PostgreSQL does not answer or refuses the connection.
        """
        try:
            return psycopg.connect(
                host=self.host, port=self.port, user=self.user, password=self.password, dbname="marts",
                application_name=name[:63], connect_timeout=10, autocommit=autocommit,
                options="-c tcp_keepalives_idle=30 -c tcp_keepalives_interval=10 -c tcp_keepalives_count=3",
            )  # fmt: skip
        except psycopg.OperationalError as error:
            raise UnreachableError(
                f"PostgreSQL does not answer: {_last_line(error)}",
                where=f"{self.host}:{self.port}",
                next_command="fds status",
            ) from None

    @property
    def meltano_uri(self) -> str:
        """URI of Meltano's system database, without the password, which `meltano_environment` passes separately."""
        return f"postgresql://{self.user}@{self.host}:{self.port}/meltano"

    @property
    def meltano_environment(self) -> dict[str, str]:
        return {"MELTANO_DATABASE_URI": self.meltano_uri, "PGPASSWORD": self.password}


def _last_line(error: Exception) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[-1][:300] if lines else type(error).__name__
