"""Define `ScalingRequest`, the change that a language model or a caller may request.

A language model's output reaches the planner only as a `ScalingRequest`. It has no field for a price, a budget, a
currency, a stack or an approval, so the model cannot supply such a value. Numbers must be JSON numbers; text, booleans,
NaN and infinity are rejected. Only a number of cores may have a fraction.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, Strict, create_model

from infra.scalable import SCALABLE
from infra.setting_types import Name
from stack_runtime.text import printable, require_visible

Line = Annotated[str, Field(min_length=1, max_length=500), AfterValidator(require_visible), AfterValidator(printable)]


class StrictModel(BaseModel):
    """An immutable model that rejects unknown fields and does not coerce types."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)


MOST = 20
"""Maximum number of entries in one list or object of a request."""


def _fields() -> dict[str, Any]:
    """Return a field definition for each setting that can be scaled, with the type and the bounds of the setting."""
    found: dict[str, Any] = {}
    for setting in SCALABLE:
        value = setting.annotation
        if setting.per_service:
            value = Annotated[dict[Name, value], Field(max_length=MOST)]  # type: ignore[valid-type]
        elif setting.kind is tuple:
            value = Annotated[value, Strict(False), Field(max_length=MOST)]
        described = Field(default=None, title=setting.label, description=setting.help or None)
        found[setting.name] = (value | None, described)
    return found


if TYPE_CHECKING:
    _Sizes = StrictModel
else:
    _Sizes = create_model("_Sizes", __base__=StrictModel, **_fields())


class ScalingRequest(_Sizes):
    """A change of the stack's size. Omit settings that shall not change; give new values, not differences."""

    reason: Annotated[Line, Field(title="Reason", description="why, in one sentence, for the person who approves")]
    days: Annotated[int, Field(ge=1, le=92)] | None = Field(
        default=None, title="Days, for a temporary change", description="it is reverted after this many days"
    )

    def pairs(self) -> list[str]:
        """Return the request as the `KEY=VALUE` arguments of `fds scale`."""
        found = []
        for setting in SCALABLE:
            value = getattr(self, setting.name)
            if setting.per_service:
                items = (value or {}).items()
                found += [f"{setting.key.partition('.')[0]}.{name}={setting.format(size)}" for name, size in items]
            elif value is not None:
                found.append(f"{setting.key}={setting.format(value)}")
        return found
