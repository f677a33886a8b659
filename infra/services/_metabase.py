"""Define what Metabase and the containers that fill it share: its profile, its address, and the accounts."""

from __future__ import annotations

import json

from infra.services._model import Context, File
from infra.settings import Settings

PROFILE = "bi"
NAME = "metabase"
PORT = 3000
ROLE = "metabase"
READER = "metabase_reader"
ADMIN_PASSWORD = "metabase_admin_password"  # noqa: S105, this is the name of the secret
ADMIN = "admin@metabase.internal"
"""The e-mail address of Metabase's first account; it is only a login name, the same for every domain."""


def is_selected(settings: Settings) -> bool:
    """Return whether the settings select Metabase."""
    return settings.has(PROFILE)


def _access(context: Context) -> str:
    """Return what `stack_runtime.metabase` needs: Metabase's address and account, and how it reads the marts."""
    return json.dumps(
        {
            "url": f"http://{NAME}:{PORT}",
            "stack": context.settings.stack,
            "email": ADMIN,
            "password": context.secrets[ADMIN_PASSWORD],
            "database": {
                "host": "postgres",
                "port": 5432,
                "dbname": "marts",
                "user": READER,
                "password": context.secrets[f"{READER}_password"],
            },
        }
    )


ACCESS = File("metabase.json", _access, is_selected)
"""File for the container that runs the pipeline: `fds up` and each run use it to fill Metabase."""
