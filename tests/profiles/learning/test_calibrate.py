"""Calibration on a tiny model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from profiles.learning import calibrate as module
from profiles.learning.calibrate import Calibrated, Calibration, calibrate
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel, load_model
from profiles.profile import Edit, OffsetEdit

HELD = {
    "en": [f"abc {n} abcabc cab" for n in range(8)],
    "xx": [f"xyz {n} zyxxyz yxz" for n in range(8)],
}
QUICK = Calibration(
    strengths={"target": (0.5, 1.0, 2.0), "suppress": (1.0,)},
    decode_strengths=(1.0,),
    samples=8,
    tokens=6,
    texts={"target": 2, "suppress": 2},
)


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> LoadedModel:
    return load_model(tiny_folder, "tiny", "fp32")


def edit(loaded: LoadedModel) -> Edit:
    hidden = loaded.identity.hidden_size
    value = np.random.default_rng(0).normal(size=(1, hidden)).astype(np.float32)
    return Edit(offsets=OffsetEdit(layer=np.array([1], np.int32), value=value))


def run(loaded: LoadedModel, **kwargs: Any) -> Calibrated:
    return calibrate(loaded, edit(loaded), HELD, "xx", options=QUICK, **kwargs)


def test_the_recommended_strength_is_one(loaded: LoadedModel) -> None:
    found = run(loaded)
    frontier = found.frontier
    assert frontier.points[frontier.recommended].strength == 1
    assert [p.phase for p in frontier.points] == ["all", "all", "all", "decode"]
    assert found.edit.offsets
    before = edit(loaded).offsets
    assert before
    np.testing.assert_allclose(
        found.edit.offsets.value, frontier.rescaled * before.value, rtol=1e-6
    )


def test_points_are_measured_at_their_own_strength(loaded: LoadedModel) -> None:
    points = run(loaded).frontier.points
    assert len({p.perplexity for p in points[:3]}) == 3
    alone = calibrate(
        loaded,
        edit(loaded),
        HELD,
        "xx",
        options=replace(QUICK, strengths={"target": (2.0,)}, decode_strengths=()),
    ).frontier.points
    assert len(alone) == 1
    assert alone[0].perplexity == points[2].perplexity


def test_what_success_is(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    def judged(_loaded: Any, outputs: list[Any], _among: Any) -> list[Any]:
        from profiles.judging.judge import Verdict

        good = Verdict(text="", language="xx", probability=1, repetitive=False, bits=8.0, bytes=4)
        bad = [replace(good, repetitive=True), replace(good, language="en")]
        if suppressing:
            bad[0] = replace(good, language="und")
        return [([good, *bad, good])[n % 4] for n in range(len(outputs))]

    suppressing = False
    monkeypatch.setattr(module, "judge", judged)
    target = run(loaded).frontier.points[0]
    assert (target.success, target.repetition, target.samples) == (0.5, 0.25, 8)
    assert sum(target.by_context.values()) > 0
    suppressing = True
    suppress = run(loaded, role="suppress").frontier.points[0]
    assert suppress.success == 0.25  # arrived in another language
    assert suppress.bits_per_byte is None


@pytest.mark.parametrize("rows", [72, 5])
def test_progress_ends_at_the_end(loaded: LoadedModel, rows: int) -> None:
    seen: list[tuple[int, int]] = []
    options = replace(QUICK, rows=rows)
    calibrate(
        loaded,
        edit(loaded),
        HELD,
        "xx",
        options=options,
        progress=lambda done, of: seen.append((done, of)),
    )
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]


def test_outputs_do_not_depend_on_how_many_are_written_at_once(loaded: LoadedModel) -> None:
    together, apart = (
        calibrate(loaded, edit(loaded), HELD, "xx", options=replace(QUICK, rows=rows)).frontier
        for rows in (72, 5)
    )
    assert together == apart


def test_what_an_edit_costs_is_its_divergence_from_the_unedited_model(tiny_folder: Path) -> None:
    loaded = load_model(tiny_folder, "tiny", "fp32")
    # A random model says the same to everything, edited or not; this one has opinions.
    with torch.no_grad():
        loaded.model.get_output_embeddings().weight.mul_(10)
    held = {tag: [f"{line} {n}" for n in range(15) for line in HELD[tag]] for tag in HELD}
    options = replace(QUICK, texts={"target": 40}, tokens=24, samples=1)
    trial = module._Trial(loaded, held, "xx", "target", options, None)
    strong = edit(loaded).times(4.0)

    def said(before: Sequence[int], own: Sequence[int]) -> torch.Tensor:
        ids = torch.tensor([[loaded.tokenizer.bos_token_id, *before, *own]])
        with torch.inference_mode():
            logits = loaded.model(input_ids=ids).logits[0].float()
        return logits[len(before) : len(before) + len(own)].log_softmax(-1)

    divergence, tokens = 0.0, 0
    for before, own in zip(trial._before, trial._own, strict=True):
        p = said(before, own)
        with edited(loaded.model, strong):
            q = said(before, own)
        divergence += float((p.exp() * (p - q)).sum())
        tokens += len(own)
    assert divergence / tokens > 0.02
    found = math.log(trial._perplexity(strong, 1.0))
    assert found == pytest.approx(divergence / tokens, rel=0.25)
    assert trial._perplexity(strong, 1e-6) == pytest.approx(1, abs=1e-3)


def test_perplexity_is_of_paragraphs_and_every_language_has_its_turn() -> None:
    spaced, dense = (
        [f"line number {n}." for n in range(4)],
        [f"这是这篇很短的文章里面的第{n}行文字。" for n in range(4)],
    )
    assert module._paragraphs([spaced, dense], 3) == [
        "line number 0. line number 1. line number 2.",
        "".join(dense[:3]),
        "line number 3.",
    ]


def test_a_region_is_left_where_its_language_is(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    from profiles.judging.judge import Verdict

    stayed = Verdict(text="", language="pt", probability=1, repetitive=False, bits=8.0, bytes=4)
    monkeypatch.setattr(module, "judge", lambda _l, outputs, _a: [stayed for _ in outputs])
    held = {"en": HELD["en"], "pt-BR": HELD["xx"]}
    for role, success in (("target", 1.0), ("suppress", 0.0)):
        found = calibrate(loaded, edit(loaded), held, "pt-BR", role, QUICK)  # type: ignore[arg-type]
        assert found.frontier.points[0].success == success
