"""Recognize imports that failed because an extra is missing, or because another package has the name of one of ours."""

from __future__ import annotations

import importlib.util

from stack_runtime.errors import StackError, UnreachableError

_EXTRAS = {"dbt": "local", "yaml": "local"} | dict.fromkeys(
    ("fastapi", "h11", "httpx2", "mcp", "opentelemetry", "pydantic_ai", "starlette", "uvicorn"), "agents"
)
"""Name of the extra that installs each module."""

_OURS = ("agents", "data_stack", "infra", "stack_runtime")
"""Those of our packages whose names are also used by packages of other projects."""


def failed_import(error: BaseException) -> StackError | None:
    """Return the error to show for a failed import with a known reason; None for any other failure."""
    if not isinstance(error, ImportError):
        return None
    module = (error.name or "").partition(".")[0]
    if module in _EXTRAS:
        return UnreachableError(
            f"this needs the Python package {module}, which is not installed",
            next_command=f"pip install 'freelancer-data-stack[{_EXTRAS[module]}]'",
        )
    if module in _OURS:
        found = importlib.util.find_spec(module)
        return UnreachableError(
            f"Python imports another package named {module}, which is not the one of freelancer-data-stack",
            where=str(found and (found.origin or list(found.submodule_search_locations or ())[:1])),
            next_command="uv tool install 'freelancer-data-stack[all]', which uses a separate environment",
        )
    return None
