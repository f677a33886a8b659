"""Errors about settings: what is wrong, in which stack file, and the command that corrects it."""

from __future__ import annotations

import json
import re
import shlex
from collections.abc import Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from infra import setting_types as types
from stack_runtime.errors import UsageError


def unknown(stack: str, place: Sequence[Any]) -> UsageError:
    """Return the error for a setting that does not exist; `place` is its path of keys, which may be of any type."""
    file = f"Pulumi.{stack}.yaml"
    if not all(isinstance(key, str) for key in place):
        return UsageError(f"setting {_path(place)}: its name must be text", where=file, next_command=f"correct {file}")
    command = f"pulumi config {_mend('extra_forbidden', place)} --stack {stack}"
    return UsageError(f"there is no setting {_path(place)}", where=file, next_command=command)


def invalid(stack: str, error: ValidationError) -> UsageError:
    """Return the error for the first invalid setting, with the command that corrects it, or the file to correct."""
    first = error.errors()[0]
    wrong, place, reason = first["type"], first["loc"], types.reason_of(error)
    if place[-1:] == ("[key]",):  # a key of a mapping is invalid, not its value
        wrong, place, reason = "extra_forbidden", place[:-1], reason.replace("it must", "its name must", 1)
    file = f"Pulumi.{stack}.yaml"
    what = f"setting {_path(place)}: {reason}" if place else reason
    contradictory = wrong == "value_error" and isinstance(first["input"], Mapping)
    if contradictory:  # no single value is wrong
        return UsageError(what, where=file, next_command=f"correct {file}")
    command = f"pulumi config {_mend(wrong, place)} --stack {stack}"
    return UsageError(what, where=file, next_command=command)


def _mend(wrong: str, place: Sequence[Any]) -> str:
    """Return the arguments of `pulumi config` that correct the setting at `place`; `wrong` is Pydantic's error type."""
    if wrong == "tuple_type":
        place = [*place, 0]
    path = shlex.quote(_path(place))
    option = " --path" if len(place) > 1 else ""
    return f"rm{option} {path}" if wrong == "extra_forbidden" else f"set{option} {path} VALUE"


def _path(place: Sequence[Any]) -> str:
    """Return a place in the settings in the form that `pulumi config --path` takes, such as `sshFrom[0]`."""
    first, *rest = place
    return f"{first}{''.join(_step(part) for part in rest)}"


def _step(part: Any) -> str:
    plain = isinstance(part, str) and re.fullmatch(r"[A-Za-z0-9-]+", part)
    return f".{part}" if plain else f"[{json.dumps(part, ensure_ascii=False, default=str)}]"
