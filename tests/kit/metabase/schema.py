"""Define our own JSON Schemas of the requests that the stand-in accepts. Bodies may have further keys."""

from __future__ import annotations

from typing import Any

Schema = dict[str, Any]

_TEXT: Schema = {"type": "string", "minLength": 1}
_ID: Schema = {"type": "integer", "minimum": 1}
_MAP: Schema = {"type": "object"}


def _or_null(schema: Schema) -> Schema:
    return {"anyOf": [schema, {"type": "null"}]}


def _body(required: tuple[str, ...], **properties: Schema) -> Schema:
    return {"type": "object", "required": list(required), "properties": properties}


_ACCOUNT = _body(
    ("email", "password"),
    email={"type": "string", "pattern": r"^[^@\s]+@[^@\s.]+(\.[^@\s.]+)+$"},
    # Apply Metabase's password rule "normal": at least six characters, one of them a digit.
    password={"type": "string", "minLength": 6, "pattern": "[0-9]"},
    first_name=_or_null(_TEXT),
    last_name=_or_null(_TEXT),
)
_NATIVE = _body(("query",), query=_TEXT, **{"template-tags": _MAP})
_QUERY = _body(("type", "database", "native"), type={"const": "native"}, database=_ID, native=_NATIVE)
_PLACE = _body(
    ("id", "size_x", "size_y", "row", "col"),
    id={"type": "integer"},
    card_id=_or_null(_ID),
    size_x=_ID,
    size_y=_ID,
    row={"type": "integer", "minimum": 0},
    col={"type": "integer", "minimum": 0, "maximum": 23},
    parameter_mappings=_or_null({"type": "array", "items": _body(("parameter_id", "target"), parameter_id=_TEXT)}),
    visualization_settings=_MAP,
)
_DATABASE = {
    "name": _TEXT,
    "engine": {"enum": ["postgres", "mysql", "h2"]},
    "details": _MAP,
}
_CARD = {
    "name": _TEXT,
    "description": _or_null(_TEXT),
    "display": _TEXT,
    "collection_id": _or_null(_ID),
    "dataset_query": _QUERY,
    "visualization_settings": _MAP,
}

BODIES: dict[tuple[str, str], Schema] = {
    ("POST", "/api/setup"): _body(
        ("token", "user", "prefs"),
        token=_TEXT,
        user=_ACCOUNT,
        prefs=_body(("site_name",), site_name=_TEXT, site_locale=_or_null({"type": "string", "pattern": "^[a-z]{2}"})),
    ),
    ("POST", "/api/session"): _body(("username", "password"), username=_TEXT, password=_TEXT),
    ("POST", "/api/database"): _body(("name", "engine", "details"), **_DATABASE),
    ("PUT", "/api/database/{id}"): _body((), **{name: _or_null(schema) for name, schema in _DATABASE.items()}),
    ("POST", "/api/collection"): _body(
        ("name",), name=_TEXT, description=_or_null(_TEXT), parent_id=_or_null(_ID)
    ),
    ("POST", "/api/card"): _body(("name", "display", "dataset_query", "visualization_settings"), **_CARD),
    ("POST", "/api/dashboard"): _body(
        ("name",), name=_TEXT, description=_or_null({"type": "string"}), collection_id=_or_null(_ID)
    ),
    ("PUT", "/api/dashboard/{id}"): _body(
        (),
        name=_or_null(_TEXT),
        description=_or_null({"type": "string"}),
        collection_id=_or_null(_ID),
        archived=_or_null({"type": "boolean"}),
        dashcards=_or_null({"type": "array", "items": _PLACE}),
    ),
}  # fmt: skip
"""Schema of the body, for each request that has a body."""

QUERIES: dict[tuple[str, str], dict[str, set[str]]] = {
    ("GET", "/api/card"): {"f": {"all", "archived", "mine"}},
    ("GET", "/api/collection"): {"archived": {"true", "false"}},
    ("GET", "/api/dashboard"): {"f": {"all", "archived", "mine"}},
    ("GET", "/api/database"): {},
    ("GET", "/api/dashboard/{id}"): {},
    ("GET", "/api/database/{id}"): {},
    ("GET", "/api/health"): {},
    ("GET", "/api/session/properties"): {},
    ("POST", "/api/database/{id}/sync_schema"): {},
    **{request: {} for request in BODIES},
}
"""Allowed values of the query parameters, for each supported request; every other request gets the status 404."""
