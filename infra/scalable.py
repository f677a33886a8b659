"""Define which settings can be scaled, derived from the metadata `Scale` of `infra.settings`.

`fds scale`, the alternatives that the planner suggests, the schema of requests to the agents, the dashboard's form and
the table in docs/cost.md take names, types, bounds and help from here.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from types import UnionType
from typing import Annotated, Any, Union, get_args, get_origin

from pydantic.alias_generators import to_camel
from pydantic.fields import FieldInfo

from infra.settings import Scale, ServiceOverride, Settings

SERVICE = "SERVICE"
"""Placeholder for a service's name in a key such as `memory.SERVICE`."""


@dataclass(frozen=True)
class Scalable:
    """One setting that can be scaled.

    Args:
        name: field of `Settings`; if `per_service` is true, field of `ServiceOverride`.
        key: how `fds scale` spells the setting, such as `volumeGb` or `memory.SERVICE`.
        annotation: type of a value, with bounds for Pydantic; another model can use it as the type of a field.
        kind: the Python class of a value, without bounds.
    """

    name: str
    key: str
    label: str
    help: str
    annotation: Any
    kind: type
    per_service: bool

    def parse(self, text: str) -> Any:
        """Return the value that a text stands for; bounds are checked by `Settings`.

        Raises:
            ValueError: the text does not have the form of such a value; the message describes the form.
        """
        if self.kind is bool:
            if text not in ("true", "false"):
                raise ValueError("is true or false")
            return text == "true"
        if self.kind is int:
            if not re.fullmatch(r"[0-9]{1,9}", text):
                raise ValueError("is a whole number")
            return int(text)
        if self.kind is float:
            if not re.fullmatch(r"[0-9]{1,3}(\.[0-9]{1,2})?", text):
                raise ValueError("is a number of cores such as 0.5")
            return float(text)
        if self.kind is not tuple:
            return text
        parts = [part for part in text.split(",") if part]
        if not parts:
            raise ValueError("is a list such as lean,bi")
        return parts

    def format(self, value: Any) -> str:
        """Return a value as text that `parse` reads."""
        if self.kind is bool:
            return str(value).lower()
        if self.kind is float:
            return f"{value:.2f}"
        return ",".join(value) if self.kind is tuple else str(value)


def _scalables() -> tuple[Scalable, ...]:
    fields = [(name, field, True) for name, field in ServiceOverride.model_fields.items()]
    fields += [(name, field, False) for name, field in Settings.model_fields.items()]
    return tuple(
        _scalable(name, field, scale, per_service)
        for name, field, per_service in fields
        for scale in field.metadata
        if isinstance(scale, Scale)
    )


def _scalable(name: str, field: FieldInfo, scale: Scale, per_service: bool) -> Scalable:
    bounds = [one for one in field.metadata if not isinstance(one, Scale)]
    value = _without_none(field.annotation)
    annotation = Annotated[(value, *bounds)] if bounds else value
    key = f"{scale.key}.{SERVICE}" if per_service else to_camel(name)
    return Scalable(name, key, scale.label, scale.help, annotation, _kind(value), per_service)


def _without_none(annotation: Any) -> Any:
    if get_origin(annotation) in (Union, UnionType):
        (annotation,) = (one for one in get_args(annotation) if one is not type(None))
    return annotation


def _kind(annotation: Any) -> type:
    """Return the class of the values that `annotation` allows, such as `tuple` for `tuple[str, ...]`.

    A `typing.Literal` is a choice of texts, so its class is `str`.
    """
    if get_origin(annotation) is Annotated:
        return _kind(get_args(annotation)[0])
    found = get_origin(annotation) or annotation
    return found if isinstance(found, type) else str


SCALABLE = _scalables()
KEYS = tuple(one.key.partition(".")[0] for one in SCALABLE)
"""The keys without `.SERVICE`: here, `memory` stands for the memory of any service, and `cpu` for its cores."""


def scalable(key: str) -> Scalable | None:
    """Return the setting for a key, such as `memory.SERVICE` for `memory.postgres`; None for an unknown key."""
    first, dot, name = key.partition(".")
    wanted = f"{first}.{SERVICE}" if dot and name else first
    return next((one for one in SCALABLE if one.key == wanted), None)
