"""Read the address and the account of Metabase from a file in the container that runs the pipeline."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from stack_runtime.errors import UnreachableError

FILE = Path("/run/fds/metabase.json")


@dataclass(frozen=True)
class Access:
    """Address and first account of a stack's Metabase; `database` is what Metabase needs to connect to the marts."""

    url: str
    stack: str
    email: str
    password: str
    database: Mapping[str, Any]

    @classmethod
    def from_environment(cls) -> Access | None:
        """Read the access from the file that the variable `FDS_METABASE_FILE` names (default: `FILE`).

        Returns: the access; None if the file does not exist, as in a stack without Metabase.

        Raises:
            UnreachableError: the file cannot be read, or is invalid.
        """
        file = Path(os.environ.get("FDS_METABASE_FILE", FILE))
        try:
            return cls(**json.loads(file.read_text(encoding="utf-8")))
        except FileNotFoundError:
            return None
        except (OSError, ValueError, TypeError) as error:
            raise UnreachableError(
                f"the access to Metabase cannot be read: {error}", where=str(file), next_command="fds up"
            ) from None
