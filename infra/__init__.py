"""The data platform as a Pulumi component: `from infra import DataStack, DataStackArgs, Settings, Service`.

Each name is imported on first use, because the agents' image contains this package but not Pulumi.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from infra.component.args import DataStackArgs
    from infra.component.stack import DataStack
    from infra.services import Service
    from infra.settings import Settings

__all__ = ["DataStack", "DataStackArgs", "Service", "Settings"]

_MODULES = {
    "DataStack": "infra.component.stack",
    "DataStackArgs": "infra.component.args",
    "Service": "infra.services",
    "Settings": "infra.settings",
}


def __getattr__(name: str) -> Any:
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(importlib.import_module(_MODULES[name]), name)
