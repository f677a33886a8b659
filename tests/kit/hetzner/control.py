"""Serve the requests under `/_kit/`, with which another process controls the double.

| request | what it does |
| --- | --- |
| `GET account` | return the number of resources of each kind |
| `GET journal` | return every request to the API so far, with its status |
| `GET paused` | return the requests that a fault pauses |
| `POST release` | release all paused requests |
| `POST faults` | add a fault; the body has the fields of `faults.Fault` |
| `DELETE faults` | remove all faults and callbacks, and release all paused requests |
| `POST available` | set whether a server type is available: `{server_type, location, available}` |
| `POST price` | set the net monthly price of a server type: `{server_type, location, net}` |
"""

from __future__ import annotations

from dataclasses import asdict
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from .bodies import parse_json
from .errors import ApiError

if TYPE_CHECKING:
    from .http import Gateway

Row = dict[str, Any]


def answer(gateway: Gateway, method: str, verb: str, token: str, raw: bytes) -> tuple[int, Row]:
    """Return status and body of the response to a control request; errors have the form of the API."""
    try:
        if token != gateway.token:
            raise ApiError("unauthorized", "the control endpoint needs the token of the project")
        return 200, _perform(gateway, f"{method} {verb}", parse_json(raw))
    except ApiError as error:
        return error.status, error.body()
    except (KeyError, TypeError, ValueError, ArithmeticError) as error:
        return 422, ApiError("invalid_input", str(error)).body()


def _perform(gateway: Gateway, request: str, body: Row) -> Row:
    account = gateway.routes.account
    match request:
        case "GET account":
            return dict(account.summary())
        case "GET journal":
            return {"journal": [asdict(entry) for entry in gateway.journal]}
        case "GET paused":
            return {"paused": gateway.faults.paused()}
        case "POST release":
            gateway.faults.release()
        case "POST faults":
            gateway.faults.add(**body)
        case "DELETE faults":
            gateway.faults.clear()
        case "POST available":
            with account.lock:
                account.catalogue.set_available(body["server_type"], body["location"], bool(body["available"]))
        case "POST price":
            with account.lock:
                account.catalogue.set_price(body["server_type"], body["location"], Decimal(body["net"]))
        case _:
            raise ApiError("not_found", f"no such control request: {request}")
    return {}
