from __future__ import annotations

from typing import get_args

import numpy as np
import pytest

from profiles.inside.layers.contrast import Contrast, contrasts, quarters
from profiles.inside.layers.measured import Measured
from profiles.inside.layers.words import SPECIFIC_AT, VERDICTS, Verdict, summary, verdict


def _measured(name: str, value: list[list[float]], spread: float = 0.0) -> Measured:
    array = np.array(value)
    noise = spread * np.random.default_rng(0).standard_normal((400, *array.shape))
    groups = tuple(f"g{n}" for n in range(len(array)))
    draws = (array + noise).astype(np.float32)
    return Measured(name=name, half="detectors", groups=groups, value=array, draws=draws)


@pytest.mark.parametrize(
    ("layers", "ends", "middle"),
    [(2, 1, 0), (3, 1, 1), (4, 1, 2), (7, 1, 5), (8, 2, 4), (18, 4, 10), (30, 7, 16)],
)
def test_quarters_are_all_layers_once(layers: int, ends: int, middle: int) -> None:
    at = quarters(layers)
    assert [*at.input, *at.middle, *at.output] == [*range(layers)]
    assert (len(at.input), len(at.middle), len(at.output)) == (ends, middle, ends)


def test_one_layer_is_too_few() -> None:
    with pytest.raises(ValueError, match="at least two"):
        quarters(1)


def test_by_hand() -> None:
    # Layers: one of the input, two of the middle, one of the output.
    found = contrasts(_measured("ap-share", [[0.4, 0.1, 0.1, 0.4], [0.0, 0.2, 0.2, 0.6]]))
    assert found
    assert found["input"].value == pytest.approx(0.2 - 0.15)
    assert found["output"].value == pytest.approx(0.5 - 0.15)
    assert found["both"].value == pytest.approx(0.2)
    assert [found[end].groups_for for end in ("input", "output", "both")] == [1, 2, 2]
    assert found["both"].low == pytest.approx(0.2)
    assert verdict(found) == "holds"


def test_the_outermost_layers_alone() -> None:
    # Quarters of two layers.
    found = contrasts(_measured("ap-share", [[0.5, 0.0, 0.1, 0.1, 0.1, 0.1, 0.1, 0.3]]))
    assert found
    assert found["input"].value == pytest.approx(0.15)
    assert found["first"].value == pytest.approx(0.4)
    assert found["last"].value == pytest.approx(0.2)


def test_what_falls_with_specificity_counts_the_other_way_round() -> None:
    found = contrasts(_measured("correlation", [[0.1, 0.5, 0.5, 0.6]]))
    assert found
    assert found["input"].value == pytest.approx(0.4)
    assert found["output"].outcome == "less"
    assert verdict(found) == "input only"


def test_levels_and_models_without_a_middle_make_no_claim() -> None:
    assert contrasts(_measured("flatness", [[0.1, 0.5, 0.5, 0.6]])) is None
    assert contrasts(_measured("correlation", [[0.1, 0.5]])) is None


def test_noise_leaves_it_open() -> None:
    found = contrasts(_measured("entropy", [[0.5, 0.5, 0.5, 0.5]], spread=0.1))
    assert found
    assert found["both"].low < 0 < found["both"].high
    assert verdict(found) == "undecided"


def _contrast(low: float, high: float) -> Contrast:
    return Contrast(value=(low + high) / 2, low=low, high=high, groups_for=1)


@pytest.mark.parametrize(
    ("input_", "output", "want"),
    [
        ((1, 2), (1, 2), "holds"),
        ((-2, -1), (1, 2), "output only"),
        ((-1, 1), (1, 2), "output"),
        ((1, 2), (-2, -1), "input only"),
        ((1, 2), (-1, 1), "input"),
        ((-2, -1), (-1, 1), "not input"),
        ((-1, 1), (-2, -1), "not output"),
        ((-2, -1), (-2, -1), "reversed"),
        ((-1, 1), (-1, 1), "undecided"),
    ],
)
def test_verdicts(input_: tuple[float, float], output: tuple[float, float], want: str) -> None:
    found = {"input": _contrast(*input_), "output": _contrast(*output)}
    assert verdict(found) == want


def test_every_verdict_has_its_words() -> None:
    assert {*VERDICTS} == {*SPECIFIC_AT} == {*get_args(Verdict)}
    for which, meaning in VERDICTS.items():
        # "Only" and "less" claim something of the other end, which an open one does not give.
        assert ("only" in meaning) == which.endswith("only")
        assert ("leave" in meaning) == (
            which in ("output", "input", "not output", "not input", "undecided")
        )


@pytest.mark.parametrize(
    ("input_", "words"),
    [
        (0.1, "are so by 0.25 times as much, in"),
        (-0.084, "are less specific than the middle, by 0.21 times as much, in"),
        (-0.0001, "are neither more specific than the middle nor less, in"),
    ],
)
def test_how_the_ends_compare(input_: float, words: str) -> None:
    ends = {end: {"outcome": "more", "value": 0.4} for end in ("output", "last", "first")}
    ends["input"] = {"outcome": "undecided", "value": input_}
    row = {"name": "entropy", "half": "detectors", "verdict": "output", "contrasts": ends}
    said = next(line for line in summary("m", [row]) if line.startswith("Where"))
    assert words in said
    assert "-" not in said


def test_the_summary_says_which_way_it_came_out() -> None:
    def row(name: str, end: str, verdict: str) -> dict[str, object]:
        ends = {which: {"outcome": "more", "value": 0.4} for which in ("output", "last", "first")}
        ends["input"] = {"outcome": end, "value": 0.1}
        return {"name": name, "half": "detectors", "verdict": verdict, "contrasts": ends}

    rows = [row("entropy", "more", "holds"), row("jaccard", "less", "output only")]
    first, output, near, ratio, *rest = summary("m", rows)
    assert first.endswith("holds by some measures and not by others.")
    assert "more specific to languages than the middle by 2 of 2 measures" in output
    assert "by 1 of 2 measures, less by 1, undecided by 0; the first layer alone is so by 2" in near
    assert "by 0.25 times as much" in ratio
    assert "By 1 of 2, only the layers nearest output" in rest[1]
    assert rest[1].endswith(": detectors jaccard.")
    assert summary("m", rows[:1])[0].endswith("holds by every measure.")
    assert summary("m", rows[1:])[0].endswith("holds by no measure.")
    assert "no middle" in summary("m", [])[0]


def test_shapes_must_agree() -> None:
    with pytest.raises(ValueError, match="entropy: 2 groups"):
        Measured(
            name="entropy",
            half="detectors",
            groups=("a", "b"),
            value=np.zeros((1, 2)),
            draws=np.zeros((3, 1, 2), np.float32),
        )
