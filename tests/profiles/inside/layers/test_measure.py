"""All measures of a model at once."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from scipy.stats import spearmanr

from profiles.corpora.corpus import read_corpus
from profiles.finding.lape import lape
from profiles.inside.layers.analyse import analyse
from profiles.inside.layers.measure import Options, measure
from profiles.inside.layers.measured import Measured
from profiles.inside.layers.measures import MEASURES
from profiles.inside.layers.read import read_layers, short_lines
from profiles.inside.layers.readings import Readings
from profiles.models.model import load_model
from tests.tiny_model import save_model

OPTIONS = Options(share=0.1, top=0.2, draws=40)


@pytest.fixture(scope="module")
def readings(tmp_path_factory: pytest.TempPathFactory, corpus_folder: Path) -> Readings:
    """Of a random model of four layers."""
    folder = save_model(
        tmp_path_factory.mktemp("four"),
        hidden_size=16,
        intermediate_size=32,
        num_hidden_layers=4,
        num_attention_heads=2,
        num_key_value_heads=1,
    )
    loaded = load_model(folder, "tiny", "fp32")
    return read_layers(loaded, short_lines(loaded, read_corpus(str(corpus_folder))))


@pytest.fixture(scope="module")
def measures(readings: Readings) -> dict[tuple[str, str], Measured]:
    return {(m.half, m.name): m for m in measure(readings, OPTIONS)}


def test_all_there_are_in_their_ranges(
    readings: Readings, measures: dict[tuple[str, str], Measured]
) -> None:
    assert {name for _, name in measures} == {*MEASURES}
    groups = {"language": readings.languages, "pair": ("de/en", "de/ja", "en/ja"), "all": ("all",)}
    for (_, name), found in measures.items():
        kind = MEASURES[name]
        assert found.groups == groups[kind.groups]
        assert found.value.shape == (len(found.groups), 4)
        assert found.draws.shape == (40, len(found.groups), 4)
        for array in (found.value, found.draws):
            assert (array >= kind.low - 1e-5).all()
            assert (array <= kind.high + 1e-5).all()


def test_equal_plain_float64(readings: Readings, measures: dict[tuple[str, str], Measured]) -> None:
    k, s, layers = 3, readings.lines, readings.layers
    for half in ("detectors", "combinators"):
        x = np.array(readings.responses[half], np.float64).reshape(k, s, layers, -1)
        for n in range(layers):
            rho = np.mean([spearmanr(x[0, i, n], x[2, i, n]).statistic for i in range(s)])
            assert measures[half, "correlation"].value[1, n] == pytest.approx(rho, abs=1e-5)
        flat = readings.shapes[half][1].astype(np.float64).mean(axis=1)
        np.testing.assert_allclose(measures[half, "flatness"].value, flat, atol=1e-6)
        apart = np.abs(flat[0] - flat[2])
        np.testing.assert_allclose(measures[half, "flatness-difference"].value[1], apart, atol=1e-6)
    counts = np.array(readings.active, np.float64).reshape(k, s, layers, -1).sum(1)
    p = counts / readings.tokens.sum(1)[:, None, None]
    chosen = lape(p.astype(np.float32), share=0.1).chosen.sum(axis=2)
    np.testing.assert_allclose(
        measures["detectors", "lape-share"].value,
        chosen / np.maximum(chosen.sum(1, keepdims=True), 1),
        atol=1e-6,
    )
    shares = p / np.maximum(p.sum(0), 1e-300)
    entropy = -(shares * np.log(np.maximum(shares, 1e-300))).sum(0)
    live = p.max(0) >= 0.01
    want = [entropy[n][live[n]].mean() / np.log(3) for n in range(layers)]
    np.testing.assert_allclose(measures["detectors", "entropy"].value[0], want, atol=1e-5)


def test_progress_ends_at_the_total(readings: Readings) -> None:
    seen: list[tuple[int, int]] = []
    measure(readings, Options(draws=2), lambda a, b: seen.append((a, b)))
    assert [a for a, _ in seen] == [*range(1, seen[0][1] + 1)]


def test_languages_that_are_copies_are_not_told_apart(readings: Readings) -> None:
    """Everything that says specific is at its least, and correlation at 1."""
    half = {name: x[: 2 * readings.lines].copy() for name, x in readings.responses.items()}
    for x in half.values():
        x[readings.lines :] = x[: readings.lines]
    active = readings.active[: 2 * readings.lines].copy()
    active[readings.lines :] = active[: readings.lines]
    shapes = {name: np.stack([x[:, 0], x[:, 0]], 1) for name, x in readings.shapes.items()}
    copies = Readings(
        languages=("de", "en"),
        lines=readings.lines,
        tokens=readings.tokens[[0, 0]],
        responses=half,
        active=active,
        shapes=shapes,
        output_norms=readings.output_norms,
    )
    found = {(m.half, m.name): m for m in measure(copies, OPTIONS)}
    wants = {"correlation": 1, "jaccard": 1, "entropy": 1, "pair-entropy": 1}
    wants |= {"sparsity-difference": 0, "flatness-difference": 0}
    for name, want in wants.items():
        np.testing.assert_allclose(found["detectors", name].value, want, atol=1e-5)
    # Lines of both languages are the same lines.
    np.testing.assert_allclose(found["detectors", "language-gap"].value, 0, atol=1e-5)


def test_accounts_are_plain_data(
    readings: Readings, measures: dict[tuple[str, str], Measured]
) -> None:
    facts = analyse("tiny", readings, [*measures.values()], OPTIONS)
    assert facts["quarters"] == {"input": [0], "middle": [1, 2], "output": [3]}
    for row in facts["measures"]:
        assert len(row["layers"]["value"]) == 4
        for low, value, high in zip(
            *(row["layers"][k] for k in ("low", "value", "high")), strict=True
        ):
            assert low - 1e-5 <= value <= high + 1e-5
        if row["specific"]:
            assert (min(row["index"]), max(row["index"])) == (0, 1)
            assert row["verdict"]
            assert row["title"] in row["sentence"]
            ends = row["contrasts"]
            mean = (ends["input"]["value"] + ends["output"]["value"]) / 2
            assert ends["both"]["value"] == pytest.approx(mean, abs=2e-5)
        else:
            assert "verdict" not in row
    assert facts["summary"][0].startswith("On tiny, that both ends")
    # A random model has not learned that lines mean the same.
    assert any("aligned line by line" in warning for warning in facts["warnings"])


@pytest.mark.parametrize("bad", [{"share": 0}, {"share": 1.5}, {"top": 0}])
def test_options_are_checked(bad: dict[str, float]) -> None:
    with pytest.raises(ValueError, match=r"must be in 0\.\.1"):
        Options(**bad)  # type: ignore[arg-type]
