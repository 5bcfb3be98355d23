"""Colours of the plots on context mixing: one a scope, with a scale that says what they mean."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("matplotlib")

from profiles.report.mixing_plot import draw_lines, draw_scale


def colors(svg: str) -> list[str]:
    """Of the lines, in the order in which they are drawn."""
    found = re.findall(r"stroke: (var\(--s\d\))", svg)
    return [*dict.fromkeys(found)]


def test_a_scope_has_one_colour_whatever_is_beside_it() -> None:
    rows = [[0.1, 0.2]]
    three = draw_lines("a", "A", "x", dict.fromkeys(("attention", "ff", "residual"), rows))
    four = ("pre_norm", "ff", "post_norm", "residual")
    other = draw_lines("b", "B", "x", dict.fromkeys(four, rows))
    assert colors(three)[1:] == [colors(other)[1], colors(other)[3]]
    assert len({*colors(three), *colors(other)}) == 5


@pytest.mark.parametrize(
    ("most", "says"),
    [
        (0.41, ["0%", "1%", "5%", "10%", "20%", "≥ 41%"]),
        (0.3, ["0%", "1%", "5%", "10%", "20%", "≥ 30%"]),
        (1.0, ["0%", "1%", "5%", "10%", "20%", "40%", "70%", "≥ 100%"]),
        (0.004, ["0%", "≥ 0.4%"]),
        (0.0, ["≥ 0%"]),
    ],
)
def test_the_scale_names_the_deepest_colour(most: float, says: list[str]) -> None:
    found = draw_scale("s", most)
    assert re.findall(r">([^<\n]*%)<", found) == says
    assert f"the darkest is a share of {says[-1].removeprefix('≥ ')} or more" in found
