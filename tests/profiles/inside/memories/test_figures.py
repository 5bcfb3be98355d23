"""Agreement and a layer's figures on cases worked out by hand."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from profiles.inside.memories.agreement import agreement, by_chance
from profiles.inside.memories.layer_account import layer_account, model_account
from profiles.inside.memories.layer_figures import layer_figures, settled
from profiles.inside.memories.memory_store import MemoryStore
from profiles.inside.memories.neuron_account import neuron_account
from profiles.inside.memories.said import Said
from profiles.inside.memories.sampled import UNREAD, Sampled
from profiles.inside.memories.text import NO_TOKEN, Text
from profiles.inside.memories.triggers import Triggers
from tests.profiles.inside.memories.conftest import Made

# Sentences "5 6 7" and "8 9".
TEXT = Text(
    tokens=np.array([5, 6, 7, 8, 9], np.int32),
    starts=np.array([0, 3, 5]),
    labels=np.array([0, 1], np.int32),
)


def _said(*tokens: list[list[int]]) -> Said:
    """Of one layer: by neuron the tokens that +v and -v promote."""
    found = np.array([tokens], np.int32)
    shape = (*found.shape[:3], 1)
    return Said(
        tokens=found,
        probability=np.full(found.shape, 0.5, np.float32),
        mass=np.zeros(shape, np.float16),
    )


def _triggers(high: list[list[int]], low: list[list[int]]) -> Triggers:
    high_at, low_at = np.array([high], np.int64), np.array([low], np.int64)
    return Triggers(
        high=(high_at >= 0).astype(np.float32),
        high_at=high_at,
        low=-(low_at >= 0).astype(np.float32),
        low_at=low_at,
    )


def test_agreement_by_hand() -> None:
    # Neuron 0: top trigger "7" ends its sentence, the next one "5" is followed by 6.
    # Neuron 1: "8", followed by 9. Neuron 2: never positive.
    triggers = _triggers([[2, 0], [3, -1], [-1, -1]], [[4, 2], [1, 0], [0, 1]])
    said = _said([[6, 1], [1, 1]], [[1, 9], [7, 6]], [[6, 9], [1, 6]])
    found = agreement(triggers, TEXT, said)
    assert found.following[0].tolist() == [[6, NO_TOKEN], [9, 7], [NO_TOKEN, 6]]
    assert found.first[0].tolist() == [[True, False], [False, True], [False, False]]
    assert found.listed[0].tolist() == [[True, False], [True, True], [False, True]]
    assert found.counted[0].tolist() == [[True, False], [True, True], [False, True]]


def test_chance_is_another_neurons_trigger() -> None:
    # All triggers are followed by 6, which every value promotes: chance explains it all.
    always = by_chance(
        agreement(_triggers([[0]] * 4, [[3]] * 4), TEXT, _said(*[[[6], [1]]] * 4)),
        _said(*[[[6], [1]]] * 4),
    )
    assert always.tolist() == [[1.0, 0.0]]
    silent = agreement(_triggers([[-1]], [[-1]]), TEXT, _said([[6], [1]]))
    assert np.isnan(by_chance(silent, _said([[6], [1]]))).all()


def _sampled(**changes: Any) -> Sampled:
    """Four positions, two layers."""
    whole: dict[str, Any] = {
        "labels": np.array([0, 0, 1, 1], np.int32),
        "final": np.array([1, 2, 3, 4], np.int32),
        "before": np.array([[0, 1], [2, 2], [0, 0], [0, 9]], np.int32),
        "after": np.array([[1, 1], [2, 2], [0, 3], [5, 4]], np.int32),
        "output": np.array([[1, 1], [0, 2], [0, 3], [6, 8]], np.int32),
        "before_p": np.full((4, 2), 0.25, np.float32),
        "after_p": np.array([[0.2, 1], [0.4, 1], [0.6, 1], [0.8, 1]], np.float32),
        "after_rank": np.array([[1, 1], [1, 1], [7, 1], [9, 1]], np.int32),
        "lead": np.zeros((4, 2), np.int32),
        "lead_up": np.ones((4, 2), np.bool_),
        "effective": np.array([[1, 2], [3, 2], [5, 2], [7, 2]], np.float32),
        "alone": np.array([[1, 0], [1, 0], [0, 0], [1, 1]], np.int8),
    }
    return Sampled(**(whole | changes))


def test_where_predictions_settle() -> None:
    assert settled(_sampled()).tolist() == [0, 0, 1, 1]
    off = _sampled(final=np.array([9, 2, 3, 4], np.int32))
    assert settled(off).tolist() == [2, 0, 1, 1]


def test_composition_and_refinement_by_hand(llama: Made) -> None:
    _, store = llama
    rows = layer_figures(replace(store, sampled=_sampled()))
    assert rows[0]["composition"]["agrees_with_no_memory"] == 0.75
    assert rows[0]["composition"]["effective_memories"] == 4
    refined = rows[0]["refinement"]
    assert refined["positions"] == 4
    assert refined["before_is_final"] == 0.25
    assert refined["after_is_final"] == 0.5
    assert refined["output_is_final"] == 0.25
    assert refined["after_probability"] == pytest.approx(0.5)
    assert refined["median_rank"] == 4
    cases = ("from_stream", "from_output", "from_both", "from_neither")
    # after 1: the output's; 2: the stream's; 0: both's; 5: neither's.
    assert [refined[case] for case in cases] == [0.25] * 4
    assert [rows[1]["refinement"][case] for case in cases] == [0, 0.25, 0.5, 0.25]


def test_without_values_what_needs_them_is_missing(llama: Made) -> None:
    _, whole = llama
    unread = replace(whole.sampled, alone=np.full_like(whole.sampled.alone, UNREAD))
    store: MemoryStore = replace(whole, said=None, sampled=unread)
    for row in model_account(store)["layers"]:
        assert row["agreement"] == {}
        assert row["composition"]["agrees_with_no_memory"] is None
        assert row["composition"]["agrees_with_largest"] is None
        assert row["triggers"]["own_mass"] is None
        assert row["refinement"]["after_is_final"] is not None
    assert neuron_account(store, 0, 0)["value"] is None
    assert "promotes" not in layer_account(store, 1)["languages"][0]["best"][0]
