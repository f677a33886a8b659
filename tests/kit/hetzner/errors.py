"""Define the errors of the Hetzner Cloud API, with the HTTP status of each code."""

from __future__ import annotations

from typing import Any

STATUS = {
    "json_error": 400,
    "unauthorized": 401,
    "forbidden": 403,
    "token_readonly": 403,
    "resource_limit_exceeded": 403,
    "not_found": 404,
    "method_not_allowed": 405,
    "conflict": 409,
    "uniqueness_error": 409,
    "deprecated_api_endpoint": 410,
    "resource_unavailable": 412,
    "locked": 423,
    "protected": 423,
    "rate_limit_exceeded": 429,
    "server_error": 500,
    "bad_gateway": 502,
    "unavailable": 503,
    "timeout": 504,
}
"""HTTP status of each code; every other code (`invalid_input`, `server_not_stopped`…) has status 422."""


class ApiError(Exception):
    """A response of the form `{"error": {code, message, details}}`."""

    def __init__(self, code: str, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    @property
    def status(self) -> int:
        """Return the HTTP status of the response."""
        return STATUS.get(self.code, 422)

    def body(self) -> dict[str, Any]:
        """Return the JSON of the response."""
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


def invalid(field: str, message: str) -> ApiError:
    """Return the error for an invalid field of the request."""
    details = {"fields": [{"name": field, "messages": [message]}]}
    return ApiError("invalid_input", f"invalid input in field '{field}'", details)


def not_found(kind: str, key: object) -> ApiError:
    """Return the error for a missing resource."""
    return ApiError("not_found", f"{kind} with ID '{key}' not found")


def not_unique(kind: str, field: str) -> ApiError:
    """Return the error for a name, address or key that another resource of the project has."""
    return ApiError("uniqueness_error", f"{kind} {field} is already used", {"fields": [{"name": field}]})


def protected(kind: str) -> ApiError:
    """Return the error for a resource with delete or rebuild protection."""
    return ApiError("protected", f"{kind} is protected")


def locked(kind: str) -> ApiError:
    """Return the error for a resource with a running action."""
    return ApiError("locked", f"{kind} is locked")
