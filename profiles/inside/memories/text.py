"""The sentences that triggers stand in, as tokens."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:  # it needs torch, looking triggers up does not
    from profiles.finding.batches import Sentence

NO_TOKEN = -1


@dataclass(frozen=True, kw_only=True, eq=False)
class Text:
    """Tokens of some sentences, one after the other; a place is an index into them.

    Attributes:
        tokens: int32 [tokens], special ones included.
        starts: int64 [sentences + 1], where each sentence begins.
        labels: int32 [sentences], index of each one's language.
    """

    tokens: NDArray[np.int32]
    starts: NDArray[np.int64]
    labels: NDArray[np.int32]

    def sentence(self, places: NDArray[np.integer]) -> NDArray[np.int64]:
        """int64, the sentence of each place."""
        return np.searchsorted(self.starts, places, side="right") - 1

    def following(self, places: NDArray[np.integer]) -> NDArray[np.int32]:
        """int32, the token after each place; `NO_TOKEN` at the end of a sentence."""
        ends = self.starts[self.sentence(places) + 1]
        following = np.append(self.tokens, np.int32(NO_TOKEN))[np.asarray(places) + 1]
        return np.where(np.asarray(places) + 1 < ends, following, np.int32(NO_TOKEN))

    def only(self, places: NDArray[np.int64]) -> tuple[Text, NDArray[np.int64]]:
        """(the sentences that hold any of `places`, those places in it); negative ones stay."""
        used = np.unique(self.sentence(places[places >= 0]))
        lengths = np.diff(self.starts)[used]
        starts = np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths)])
        parts = [self.tokens[self.starts[s] : self.starts[s + 1]] for s in used.tolist()]
        text = Text(
            tokens=np.concatenate([np.zeros(0, np.int32), *parts]),
            starts=starts,
            labels=self.labels[used],
        )
        moved = np.zeros(len(self.labels), np.int64)
        moved[used] = starts[:-1] - self.starts[used]
        at = np.where(places >= 0, places, 0)
        return text, np.where(places >= 0, at + moved[self.sentence(at)], places)


def text_of(sentences: Sequence[Sentence]) -> Text:
    """All of `sentences`, in the order of their index."""
    ordered = sorted(sentences, key=lambda s: s.index)
    lengths = [len(s.ids) for s in ordered]
    return Text(
        tokens=np.array([i for s in ordered for i in s.ids], np.int32),
        starts=np.concatenate([np.zeros(1, np.int64), np.cumsum(lengths, dtype=np.int64)]),
        labels=np.array([s.label for s in ordered], np.int32),
    )
