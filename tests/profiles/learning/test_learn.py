"""Learning edits, on a tiny random model and a tokenizer of single characters."""

from __future__ import annotations

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaForCausalLM

from profiles.errors import CorpusError
from profiles.learning import learn as learn_module
from profiles.learning.checkpoint import Checkpoint
from profiles.learning.job import Learned
from profiles.learning.learn import learn
from profiles.learning.learnable import Learnable
from profiles.learning.memories import LearnableMemories
from profiles.learning.neurons import LearnableNeurons
from profiles.learning.offsets import LearnableOffsets
from profiles.learning.options import Options
from profiles.learning.prefixes import Written
from profiles.learning.pruned import PRUNED
from profiles.models.architecture import find_ffns
from profiles.models.hooks import edited
from profiles.profile import Edit, NeuronEdit, OffsetEdit

QUICK = Options(steps=30, batch=4, every=5, negatives=16, rate=0.2, context=24, length=16)
LINES = {
    "en": [f"the {n} cats sat on a mat" for n in range(20)],
    "xx": [f"zyx {n} wzzy xyw zz wyx" for n in range(20)],
}
ON_OUTPUTS = {"offsets": LearnableOffsets, "memories": LearnableMemories}
HELD = {name: [line.replace("1", "7") for line in lines[:4]] for name, lines in LINES.items()}


@pytest.fixture
def offsets(model: LlamaForCausalLM) -> LearnableOffsets:
    return LearnableOffsets(find_ffns(model))


def run(model: Any, tokenizer: Any, learnable: Any, language: str = "xx", **kwargs: Any) -> Learned:
    kwargs.setdefault("options", QUICK)
    train = kwargs.pop("train", LINES)
    return learn(model, tokenizer, train, HELD, language, learnable, **kwargs)


def test_the_loss_falls_and_the_model_stays_as_it_was(
    model: LlamaForCausalLM, tokenizer: Any, offsets: LearnableOffsets
) -> None:
    before = {name: p.detach().clone() for name, p in model.named_parameters()}
    seen: list[tuple[int, int]] = []
    learned = run(
        model, tokenizer, offsets, progress=lambda step, total, *_: seen.append((step, total))
    )
    # Part of the held-out text is to stay as likely as it was, which holds the mean up.
    assert learned.report.curve[-1][2] < learned.report.curve[0][2] - 0.05
    assert seen == [(n, 30) for n in range(1, 31)]
    for name, p in model.named_parameters():
        assert torch.equal(p, before[name]), name
        assert p.requires_grad
        assert p.grad is None
    found = learned.edit.offsets
    assert found is not None
    assert found.layer.tolist() == [0, 1]
    assert found.value.shape == (2, model.config.hidden_size)
    assert found.value.dtype == np.float32
    json.dumps(dataclasses.asdict(learned.report))


@pytest.mark.parametrize("kind", ["offsets", "memories", "neurons"])
def test_the_edit_does_in_use_what_was_learned(
    model: LlamaForCausalLM, tokenizer: Any, kind: str
) -> None:
    ffns = find_ffns(model)
    learnable: Learnable = {
        "offsets": LearnableOffsets,
        "memories": LearnableMemories,
        "neurons": partial(LearnableNeurons, gains=True),
    }[kind](ffns)
    learned = run(model, tokenizer, learnable)
    ids = torch.tensor([tokenizer("the cat zyx wzzy").input_ids])

    def loss() -> float:
        with torch.no_grad():
            return float(model(input_ids=ids, labels=ids).loss)

    plain = loss()
    with edited(model, learned.edit):
        in_use = loss()
    assert in_use < plain
    assert loss() == plain
    with learnable:
        for parameter, best in zip(learnable.parameters(), [*learnable.parameters()], strict=True):
            assert parameter is best
        if learned.report.best_step == learned.report.steps:
            learnable.begin(torch.zeros(1, dtype=torch.long))
            assert loss() == pytest.approx(in_use, abs=0.02)


def test_the_seed_decides(model: LlamaForCausalLM, tokenizer: Any) -> None:
    def value(seed: int) -> np.ndarray[Any, Any]:
        options = dataclasses.replace(QUICK, steps=3)
        learnable = LearnableOffsets(find_ffns(model))
        edit = run(model, tokenizer, learnable, options=options, seed=seed).edit
        assert edit.offsets
        return edit.offsets.value

    np.testing.assert_array_equal(value(1), value(1))
    assert not np.array_equal(value(1), value(2))


def test_a_time_budget_ends_learning(
    model: LlamaForCausalLM, tokenizer: Any, offsets: LearnableOffsets
) -> None:
    options = dataclasses.replace(QUICK, steps=10**6, seconds=0.2, every=10**6)
    report = run(model, tokenizer, offsets, options=options).report
    assert 0 < report.steps < 10**6
    assert len(report.curve) == 2  # the start and the end


def test_no_progress_ends_learning_and_keeps_the_start(
    model: LlamaForCausalLM, tokenizer: Any, offsets: LearnableOffsets
) -> None:
    value = np.full((1, model.config.hidden_size), 0.01, np.float32)
    init = Edit(offsets=OffsetEdit(layer=np.arange(1, dtype=np.int32), value=value))
    options = dataclasses.replace(QUICK, rate=-0.2, patience=2)  # uphill
    learned = run(model, tokenizer, offsets, options=options, init=init)
    assert (learned.report.steps, learned.report.best_step) == (10, 0)
    assert learned.edit.offsets
    np.testing.assert_allclose(learned.edit.offsets.value[0], 0.01, rtol=1e-5)
    np.testing.assert_array_equal(learned.edit.offsets.value[1], 0)


def test_an_edit_that_would_change_nothing_is_an_error(
    model: LlamaForCausalLM, tokenizer: Any, offsets: LearnableOffsets
) -> None:
    options = dataclasses.replace(QUICK, rate=-0.2, patience=2)  # uphill, from nothing
    with pytest.raises(CorpusError, match="did not lower the held-out loss"):
        run(model, tokenizer, offsets, options=options)


def test_an_eighth_of_the_models_own_text_is_held_out(
    model: LlamaForCausalLM, tokenizer: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    own = {"xx": [Written("zyx", f" own {n:02}") for n in range(16)]}
    drawn: dict[str, set[Written]] = {"held": set(), "train": set()}
    sample = learn_module.sample

    def noted(lines: Any, *args: Any) -> Any:
        drawn["train" if lines is LINES else "held"].update(args[-1]["xx"])
        return sample(lines, *args)

    monkeypatch.setattr(learn_module, "sample", noted)
    run(model, tokenizer, LearnableOffsets(find_ffns(model)), own=own)
    assert drawn["held"] == {own["xx"][0], own["xx"][8]}
    assert drawn["train"] == {*own["xx"]} - drawn["held"]


def test_suppressing_makes_other_languages_likelier_after_the_denied_one(
    model: LlamaForCausalLM, tokenizer: Any, offsets: LearnableOffsets
) -> None:
    report = run(model, tokenizer, offsets, role="suppress").report
    assert report.curve[-1][2] < report.curve[0][2] - 0.015


@pytest.mark.parametrize("how", PRUNED)
def test_pruning_keeps_the_budget(model: LlamaForCausalLM, tokenizer: Any, how: str) -> None:
    learnable = PRUNED[how](find_ffns(model))
    options = dataclasses.replace(QUICK, neuron_rate=0.5)
    learned = run(model, tokenizer, learnable, options=options, budget=5)
    neurons = learned.edit.neurons
    assert neurons is not None
    assert len(neurons) == 5
    assert np.abs(neurons.add).min() > 0
    assert not neurons.scale.any()
    # What is kept was best with no more than these five.
    assert learned.report.best_step > 0.7 * learned.report.steps
    assert learned.report.curve[-1][2] < learned.report.curve[0][2]


def test_learning_does_not_end_before_the_budget_is_kept(
    model: LlamaForCausalLM, tokenizer: Any
) -> None:
    learnable = LearnableNeurons(find_ffns(model))
    options = dataclasses.replace(QUICK, steps=60, neuron_rate=-0.5, patience=1)  # uphill
    init = Edit(
        neurons=NeuronEdit(
            layer=np.zeros(1, np.int32),
            neuron=np.zeros(1, np.int32),
            add=np.ones(1, np.float32),
            scale=np.zeros(1, np.float32),
        )
    )
    learned = run(model, tokenizer, learnable, options=options, budget=5, init=init)
    assert learned.edit.neurons is not None
    assert len(learned.edit.neurons) == 5


@pytest.mark.parametrize("how", PRUNED)
def test_learning_goes_on_once_the_budget_is_kept(
    model: LlamaForCausalLM, tokenizer: Any, how: str
) -> None:
    """Though what it began from, with more neurons than it may keep, was better."""
    dense = run(model, tokenizer, LearnableNeurons(find_ffns(model))).edit
    options = dataclasses.replace(QUICK, patience=1, neuron_rate=0.02)
    learnable = PRUNED[how](find_ffns(model))
    report = run(model, tokenizer, learnable, options=options, budget=3, init=dense).report
    kept = 0.7 * report.steps
    assert report.steps > 21
    assert report.best_step >= kept
    assert report.curve[0][2] < min(held for step, _, held in report.curve if step >= kept)


def test_factors_alone_leave_a_silent_neuron_silent(
    model: LlamaForCausalLM, tokenizer: Any
) -> None:
    learnable = LearnableNeurons(find_ffns(model), gains=True, additions=False)
    learned = run(model, tokenizer, learnable, role="suppress")
    assert learned.edit.neurons
    assert not learned.edit.neurons.add.any()
    assert learned.edit.neurons.scale.any()


@pytest.mark.parametrize("kind", [*ON_OUTPUTS, *PRUNED])
@pytest.mark.parametrize("at", [13, 23])  # in the middle of pruning and after, between two looks
def test_an_interrupted_run_ends_where_an_uninterrupted_one_does(
    model: LlamaForCausalLM, tokenizer: Any, tmp_path: Path, kind: str, at: int
) -> None:
    class Stopped(Exception):
        pass

    def fresh() -> Any:
        ffns = find_ffns(model)
        return ON_OUTPUTS[kind](ffns) if kind in ON_OUTPUTS else PRUNED[kind](ffns)

    budget = None if kind in ON_OUTPUTS else 6
    whole = run(model, tokenizer, fresh(), budget=budget)

    def stop(step: int, *_: float) -> None:
        if step == at:
            raise Stopped

    checkpoint = Checkpoint(tmp_path / "xx.pt", "key")
    with pytest.raises(Stopped):
        run(model, tokenizer, fresh(), budget=budget, checkpoint=checkpoint, progress=stop)
    steps: list[int] = []
    resumed = run(
        model,
        tokenizer,
        fresh(),
        budget=budget,
        checkpoint=checkpoint,
        progress=lambda step, *_: steps.append(step),
    )
    assert steps[0] == at - 2
    assert resumed.report.curve == whole.report.curve
    for name in ("neurons", "offsets", "memories"):
        ours, theirs = getattr(resumed.edit, name), getattr(whole.edit, name)
        if theirs is not None:
            for field in dataclasses.fields(theirs):
                np.testing.assert_array_equal(
                    getattr(ours, field.name), getattr(theirs, field.name)
                )
    again = run(model, tokenizer, fresh(), budget=budget, checkpoint=checkpoint)
    assert again.report.curve == whole.report.curve


def test_another_jobs_or_a_damaged_checkpoint_is_not_used(tmp_path: Path) -> None:
    file = tmp_path / "xx.pt"
    assert Checkpoint(file, "one").load() is None
    file.write_bytes(b"PK damaged")
    assert Checkpoint(file, "one").load() is None
    torch.save({"key": "two"}, file)
    assert Checkpoint(file, "one").load() is None
    torch.save({"key": "one"}, file)  # of an older form
    assert Checkpoint(file, "one").load() is None


def test_errors_name_what_is_missing(
    model: LlamaForCausalLM, tokenizer: Any, offsets: LearnableOffsets
) -> None:
    with pytest.raises(CorpusError, match=r"no text in 'de'.*\['en', 'xx'\]"):
        run(model, tokenizer, offsets, "de")
    with pytest.raises(CorpusError, match="another language"):
        run(model, tokenizer, offsets, train={"xx": LINES["xx"]})
    with pytest.raises(CorpusError, match="3 lines in 'en'"):
        run(model, tokenizer, offsets, train={**LINES, "en": LINES["en"][:3]})
