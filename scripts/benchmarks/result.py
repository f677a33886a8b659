"""Define the result of a benchmark: its figures, and the missed targets."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any


@dataclass(frozen=True)
class BenchmarkResult(ABC):
    """Base class of the results; the fields of a subclass are the figures, which are measured values."""

    @property
    @abstractmethod
    def targets(self) -> Sequence[tuple[bool, str]]:
        """Return for each performance target whether it is met, and the sentence to show if it is missed."""

    @abstractmethod
    def lines(self) -> list[str]:
        """Return the figures as lines for the terminal."""

    @property
    def missed(self) -> list[str]:
        """Return a sentence for each missed target."""
        return [text for holds, text in self.targets if not holds]

    def as_json(self) -> dict[str, Any]:
        """Return the figures by name, and the missed targets."""
        return asdict(self) | {"missed": self.missed}
