"""What the engine tests ask of engine_run.py, and how its answers are compared."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from profiles.compose import compose
from profiles.profile import Edit, MemoryEdit, NeuronEdit, OffsetEdit, Profile

TOKENS = 40
TOLERANCE = 2e-3


def batch(requests: list[dict[str, Any]], fresh: bool = True) -> dict[str, Any]:
    return {"requests": requests, "fresh_cache": fresh}


def request(prompt: list[int], by: dict[str, Any] | None, tokens: int = TOKENS) -> dict[str, Any]:
    return {"prompt": prompt, "tokens": tokens, "steering": by}


def as_edit(profiles: dict[str, Profile], by: dict[str, Any]) -> Edit:
    """The composed edit of a request, back in a profile's arrays for the reference.

    Of memories, all of them: a layer may be listed more than once.
    """
    of_hash = {profile.content_hash: profile for profile in profiles.values()}
    target = of_hash[by["target"]].target if "target" in by else None
    suppress = [of_hash[h].suppress for h in by.get("suppress", [])]
    if strengths := by.get("suppress_strengths"):
        # In units of the target's: the reference multiplies all by that.
        unit = by.get("strength", 1.0)
        suppress = [e and e.times(s / unit) for e, s in zip(suppress, strengths, strict=True)]
    composed = compose(target, [edit for edit in suppress if edit])
    memories = [edit.memories for edit in (target, *suppress) if edit and edit.memories]
    neurons = composed.neurons
    return Edit(
        neurons=NeuronEdit(
            layer=np.repeat(
                np.array([*neurons], np.int32), [len(one.neuron) for one in neurons.values()]
            ),
            neuron=np.concatenate([one.neuron for one in neurons.values()]),
            add=np.concatenate([one.add for one in neurons.values()]),
            scale=np.concatenate([one.scale for one in neurons.values()]),
        )
        if neurons
        else None,
        offsets=OffsetEdit(
            layer=np.array(list(composed.offsets), np.int32),
            value=np.stack(list(composed.offsets.values())),
        )
        if composed.offsets
        else None,
        memories=MemoryEdit(
            **{
                name: np.concatenate([getattr(one, name) for one in memories])
                for name in ("layer", "key", "bias", "value")
            }
        )
        if memories
        else None,
    )


def same_but_for_ties(a: dict[str, Any], b: dict[str, Any], tolerance: float) -> int:
    """Greedy answers in a coarse precision: equal until two tokens are nearly tied.

    Returns:
        How many tokens were compared.
    """
    for at, (ours, theirs) in enumerate(zip(a["logprobs"], b["logprobs"], strict=True)):
        for token in ours.keys() & theirs.keys():
            assert ours[token] == pytest.approx(theirs[token], abs=tolerance), at
        first, second = (str(each["tokens"][at]) for each in (a, b))
        if first != second:
            assert abs(ours[first] - ours.get(second, ours[first])) <= 2 * tolerance, at
            return at + 1
    return len(a["tokens"])


def same(a: dict[str, Any], b: dict[str, Any]) -> None:
    assert a["tokens"] == b["tokens"]
    for x, y in zip(a["logprobs"], b["logprobs"], strict=True):
        assert x == pytest.approx(y, abs=TOLERANCE)
