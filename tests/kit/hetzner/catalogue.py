"""Provide system images, and read server types, locations and prices from files in the API's format."""

from __future__ import annotations

import copy
import json
from decimal import Decimal
from pathlib import Path
from typing import Any

from .errors import ApiError, invalid

Row = dict[str, Any]
SNAPSHOT = Path(__file__).parents[3] / "infra" / "cost" / "sources" / "snapshot"
PLACES = {
    "fsn1": ("Falkenstein DC Park 1", "DE", "Falkenstein", 50.47612, 12.370071, "eu-central"),
    "nbg1": ("Nuremberg DC Park 1", "DE", "Nuremberg", 49.452102, 11.076665, "eu-central"),
    "hel1": ("Helsinki DC Park 1", "FI", "Helsinki", 60.169855, 24.938379, "eu-central"),
    "ash": ("Ashburn, VA", "US", "Ashburn, VA", 39.045821, -77.487073, "us-east"),
    "hil": ("Hillsboro, OR", "US", "Hillsboro, OR", 45.54222, -122.951924, "us-west"),
    "sin": ("Singapore", "SG", "Singapore", 1.283333, 103.833333, "ap-southeast"),
}
IMAGES = (("debian-12", "Debian 12", "12"), ("debian-13", "Debian 13", "13"))


class Catalogue:
    """Prices, locations and server types that the simulated API returns.

    Tests can change prices and availability while the API runs.
    """

    def __init__(self, folder: Path = SNAPSHOT) -> None:
        self.pricing: Row = json.loads((folder / "pricing.json").read_text())["pricing"]
        self.server_types: list[Row] = json.loads((folder / "server_types.json").read_text())["server_types"]
        self.withdrawn: list[Row] = []
        places = {place["name"]: place["id"] for kind in self.server_types for place in kind["locations"]}
        self.locations: list[Row] = [
            dict(zip(
                ("id", "name", "description", "country", "city", "latitude", "longitude", "network_zone"),
                (identity, name, *PLACES[name]), strict=True,
            ))
            for name, identity in sorted(places.items(), key=lambda item: item[1])
        ]  # fmt: skip

    def location(self, field: str, key: int | str) -> Row:
        """Return the location with this id or name.

        Raises:
            ApiError: `invalid_input` if there is none; `field` is the field of the request that the error names.
        """
        return self._find(self.locations, field, key, "location")

    def server_type(self, field: str, key: int | str) -> Row:
        """Return the server type with this id or name.

        Raises:
            ApiError: `invalid_input` if there is none; `field` is the field of the request that the error names.
        """
        return self._find(self.server_types, field, key, "server type")

    def type_in_use(self, name: str) -> Row:
        """Return the server type of an existing server, even if the list of types lacks it."""
        return self._find([*self.server_types, *self.withdrawn], "server_type", name, "server type")

    def withdraw(self, server_type: str) -> None:
        """Remove a server type from both price lists, so that none can be ordered; existing servers keep the type."""
        self.withdrawn.append(self.server_type("server_type", server_type))
        for rows in (self.server_types, self.pricing["server_types"]):
            rows[:] = [row for row in rows if row["name"] != server_type]

    @staticmethod
    def _find(rows: list[Row], field: str, key: int | str, kind: str) -> Row:
        for row in rows:
            if str(key) in (str(row["id"]), row["name"]):
                return row
        raise invalid(field, f"{kind} '{key}' not found")

    def orderable(self, server_type: Row, location: str) -> None:
        """Raise an error if a server type is not sold or not available at `location`.

        Raises:
            ApiError: `invalid_input` or `resource_unavailable`.
        """
        place = next((p for p in server_type["locations"] if p["name"] == location), None)
        if place is None:
            raise invalid("location", f"server type '{server_type['name']}' is not sold at '{location}'")
        if not place["available"]:
            raise ApiError(
                "resource_unavailable",
                f"server type '{server_type['name']}' is currently unavailable at '{location}'",
            )

    def default_location(self, server_type: Row) -> str:
        """Return the location for a request without a location.

        This is the first location where the type is available, or else the first location of the type.
        """
        places: list[Row] = server_type["locations"]
        return str(next((p["name"] for p in places if p["available"]), places[0]["name"]))

    def set_available(self, server_type: str, location: str, available: bool) -> None:
        """Set whether a type is available at a location."""
        for place in self.server_type("server_type", server_type)["locations"]:
            if place["name"] == location:
                place["available"] = available

    def set_price(self, server_type: str, location: str, net: Decimal) -> None:
        """Set the net monthly price of a type at a location; calculate the gross and the hourly prices from it."""
        gross = net * (1 + Decimal(self.pricing["vat_rate"]) / 100)
        kinds = [self.server_type("server_type", server_type)]
        kinds += [kind for kind in self.pricing["server_types"] if kind["name"] == server_type]
        for kind in kinds:
            for price in kind["prices"]:
                if price["location"] == location:
                    price["price_monthly"] = {"net": f"{net:.10f}", "gross": f"{gross:.10f}"}
                    price["price_hourly"] = {"net": f"{net / 624:.10f}", "gross": f"{gross / 624:.10f}"}

    def shown_pricing(self) -> Row:
        """Return the response to `GET /pricing`."""
        return {"pricing": copy.deepcopy(self.pricing)}


def system_images(architectures: list[str]) -> list[Row]:
    """Return the images that every project has for each of these architectures."""
    return [
        {
            "type": "system", "status": "available", "name": name, "description": description, "image_size": None,
            "disk_size": 5, "created_from": None, "bound_to": None, "os_flavor": "debian", "os_version": version,
            "architecture": architecture, "rapid_deploy": True, "protection": {"delete": False}, "deprecated": None,
            "deleted": None, "labels": {},
        }
        for name, description, version in IMAGES
        for architecture in architectures
    ]  # fmt: skip
