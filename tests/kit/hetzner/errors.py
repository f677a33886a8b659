"""The errors of the Hetzner Cloud API, with the HTTP status that each code comes with."""

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
"""Every other code (`invalid_input`, `invalid_server_type`, `server_not_stopped`…) is a 422."""


class ApiError(Exception):
    """An answer of the form `{"error": {code, message, details}}`."""

    def __init__(self, code: str, message: str, details: Any = None) -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.details = details

    @property
    def status(self) -> int:
        """The HTTP status of the answer."""
        return STATUS.get(self.code, 422)

    def body(self) -> dict[str, Any]:
        """The JSON of the answer."""
        return {"error": {"code": self.code, "message": self.message, "details": self.details}}


def invalid(field: str, message: str) -> ApiError:
    """One field of the request is wrong."""
    details = {"fields": [{"name": field, "messages": [message]}]}
    return ApiError("invalid_input", f"invalid input in field '{field}'", details)


def not_found(kind: str, key: object) -> ApiError:
    """There is no such resource."""
    return ApiError("not_found", f"{kind} with ID '{key}' not found")


def not_unique(kind: str, field: str) -> ApiError:
    """Another resource of the project has the same name, address or key."""
    return ApiError("uniqueness_error", f"{kind} {field} is already used", {"fields": [{"name": field}]})


def protected(kind: str) -> ApiError:
    """Delete or rebuild protection is on."""
    return ApiError("protected", f"{kind} is protected")


def locked(kind: str) -> ApiError:
    """Another action of the resource is running."""
    return ApiError("locked", f"{kind} is locked")
