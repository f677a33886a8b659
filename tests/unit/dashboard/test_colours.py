"""Test that chart colours have the contrast to the background that WCAG 2.2 (1.4.11) requires of graphics."""

from __future__ import annotations

import tomllib
from pathlib import Path

import pytest

from data_stack.streamlit import charts

THEME = tomllib.loads((Path(charts.__file__).parent / ".streamlit" / "config.toml").read_text())["theme"]
COLOURS = {charts.INCOME, charts.SPEND, charts.NET, *charts.RESULTS.values(), *THEME["chartCategoricalColors"]}
BACKGROUNDS = [
    THEME[theme][key] for theme in ("light", "dark") for key in ("backgroundColor", "secondaryBackgroundColor")
]


def luminance(colour: str) -> float:
    """Return the relative luminance of `#rrggbb`, from 0 to 1."""
    parts = (int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5))
    red, green, blue = (part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def contrast(one: str, other: str) -> float:
    darker, lighter = sorted((luminance(one), luminance(other)))
    return (lighter + 0.05) / (darker + 0.05)


def test_contrast_formula_gives_the_known_values() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("background", BACKGROUNDS)
@pytest.mark.parametrize("colour", sorted(COLOURS))
def test_colour_has_a_contrast_of_at_least_3_against_every_background(colour: str, background: str) -> None:
    assert contrast(colour, background) >= 3
