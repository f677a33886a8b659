"""Find or install Meltano and its plugins in separate virtual environments, for local runs and tests."""

from __future__ import annotations

from dataclasses import dataclass

from infra.prerequisites.prerequisite import Installation
from stack_runtime.pipeline import meltano_env
from stack_runtime.text import Say


@dataclass(frozen=True)
class Meltano:
    """Meltano in the version of `uv.lock`; the pipeline's image installs it with the same function."""

    name: str = "meltano environment"

    def find(self) -> Installation | None:
        return self._found() if meltano_env.ready() else None

    def get(self, say: Say) -> Installation:
        meltano_env.prepare(say)
        return self._found()

    def _found(self) -> Installation:
        return Installation("", "built from uv.lock", str(meltano_env.ENVIRONMENT))
