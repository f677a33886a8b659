"""Meltano and its plugins, in environments of their own: what local runs and tests load with."""

from __future__ import annotations

from dataclasses import dataclass

from infra.prerequisites.prerequisite import Installation, Say
from stack_runtime.pipeline import meltano_env


@dataclass(frozen=True)
class Meltano:
    """Installed as `uv.lock` has it; the pipeline's image installs it by the same function."""

    name: str = "meltano environment"

    def find(self) -> Installation | None:
        return self._found() if meltano_env.ready() else None

    def get(self, say: Say) -> Installation:
        meltano_env.prepare(say)
        return self._found()

    def _found(self) -> Installation:
        return Installation("", "built from uv.lock", str(meltano_env.ENVIRONMENT))
