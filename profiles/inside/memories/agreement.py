"""Whether a value promotes what comes after its key's triggers (Geva et al. 2021, section 4)."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from profiles.inside.memories.said import DOWN, UP, Said
from profiles.inside.memories.text import NO_TOKEN, Text
from profiles.inside.memories.triggers import Triggers


@dataclass(frozen=True, kw_only=True, eq=False)
class Agreement:
    """By neuron and sign (`UP`: the highest coefficients and +v; `DOWN`: the lowest and -v).

    Attributes:
        following: int32 [layers, neurons, 2], the token after the highest trigger that has one
            after it; `NO_TOKEN` where none has.
        first: bool [layers, neurons, 2], whether it is the token that the value promotes most.
        listed: bool [layers, neurons, 2], whether it is among those that `Said` lists.
    """

    following: NDArray[np.int32]
    first: NDArray[np.bool_]
    listed: NDArray[np.bool_]

    @property
    def counted(self) -> NDArray[np.bool_]:
        """bool [layers, neurons, 2], where there is a token to compare with."""
        return np.asarray(self.following != NO_TOKEN)


def agreement(triggers: Triggers, text: Text, said: Said) -> Agreement:
    """Compare every value with its top trigger's next token.

    The last token of a sentence has no next one: the paper's prefixes always do, so the highest
    trigger that has one stands for the neuron.
    """
    following = np.stack(
        [first_following(triggers.high_at, text), first_following(triggers.low_at, text)], axis=2
    )
    said_first = said.tokens[..., 0]
    known = following != NO_TOKEN
    return Agreement(
        following=following,
        first=known & (said_first == following),
        listed=known & (said.tokens == following[..., None]).any(axis=-1),
    )


def by_chance(found: Agreement, said: Said, seed: int = 0) -> NDArray[np.float64]:
    """float64 [layers, 2], the rate of first agreement with another neuron's trigger, of the layer.

    What frequent tokens make of agreement by themselves. NaN where nothing can be compared.
    """
    rng = np.random.default_rng(seed)
    layers, neurons, _ = found.following.shape
    out = np.full((layers, 2), np.nan)
    for layer in range(layers):
        for way in (UP, DOWN):
            other = found.following[layer, rng.permutation(neurons), way]
            if (known := other != NO_TOKEN).any():
                same = other == said.tokens[layer, :, way, 0]
                out[layer, way] = same[known].mean()
    return out


def first_following(places: NDArray[np.int64], text: Text) -> NDArray[np.int32]:
    """int32 [...], of places [..., count] the token after the first that has one."""
    if not len(text.tokens):
        return np.full(places.shape[:-1], NO_TOKEN, np.int32)
    there = np.maximum(places, 0)
    after = np.where(places >= 0, text.following(there), np.int32(NO_TOKEN))
    best = (after != NO_TOKEN).argmax(axis=-1)
    return np.take_along_axis(after, best[..., None], axis=-1)[..., 0]
