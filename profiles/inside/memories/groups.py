"""Which script each token is of, and how much of it is which language's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from profiles.inside.memories.pieces import Pieces
from profiles.inside.memories.script import NONE, PART, script_of

OTHER, UNKNOWN = "other scripts", "unknown"
_SCRIPTS = 20  # listed by name
_EXCLUSIVE = 0.9  # of a script's letters in the corpus, for it to speak for a language


@dataclass(frozen=True, kw_only=True, eq=False)
class Groups:
    """Groups of tokens a distribution's mass is counted in; each half adds up to 1 for a token.

    Attributes:
        scripts: names; the last three are `OTHER`, `NONE` and `PART`.
        languages: BCP 47 tags of the corpus, then `UNKNOWN`.
        script: uint8 [vocabulary], index of each token's script.
        share: float16 [vocabulary, languages], the share of each token in each.
    """

    scripts: tuple[str, ...]
    languages: tuple[str, ...]
    script: NDArray[np.uint8]
    share: NDArray[np.float16]

    @cached_property
    def member(self) -> NDArray[np.float32]:
        """float32 [vocabulary, scripts + languages], the share of each token in each group."""
        scripts = np.eye(len(self.scripts), dtype=np.float32)[self.script]
        return np.concatenate([scripts, self.share.astype(np.float32)], axis=1)

    @cached_property
    def uniform(self) -> NDArray[np.float64]:
        """float64 [scripts + languages], the masses of a distribution that knows nothing."""
        return np.asarray(self.member.mean(axis=0, dtype=np.float64), np.float64)


def group_tokens(pieces: Pieces, languages: Sequence[str], counts: NDArray[np.int64]) -> Groups:
    """Groups by script, which asks nothing but the token, and by language, which asks a corpus.

    With f_l(t) the share of token t among language l's tokens and n(t) how often it occurs in
    all, p(l | t) = f_l(t) / sum_k f_k(t) * n(t) / (n(t) + 1): what a token seen once or twice
    says is believed by half or two thirds. The rest of it, and tokens that never occur, are
    unknown; unless their script is one that the corpus has (to 90%) in a single language, which
    then gets the rest.

    Args:
        pieces: the vocabulary.
        languages: BCP 47 tags.
        counts: [languages, vocabulary], how often each token occurs in the corpus.
    """
    names = [script_of(pieces.text([t])) for t in range(len(pieces))]
    common = Counter(name for name in names if name not in (NONE, PART)).most_common(_SCRIPTS)
    scripts = (*(name for name, _ in common), OTHER, NONE, PART)
    index = {name: i for i, name in enumerate(scripts)}
    at = np.array([index.get(name, index[OTHER]) for name in names])
    rates = counts / np.maximum(counts.sum(axis=1, keepdims=True), 1)
    seen = counts.sum(axis=0)
    belief = seen / (seen + 1)
    shares = rates / np.maximum(rates.sum(axis=0), 1e-30) * belief  # [languages, vocabulary]
    rest = 1 - belief
    shares += rest * _owners(rates, at, index)[:, at]
    unknown = np.maximum(1 - shares.sum(axis=0), 0)
    return Groups(
        scripts=scripts,
        languages=(*languages, UNKNOWN),
        script=at.astype(np.uint8),
        share=np.concatenate([shares.T, unknown[:, None]], axis=1).astype(np.float16),
    )


def _owners(
    rates: NDArray[np.float64], at: NDArray[np.int64], index: dict[str, int]
) -> NDArray[np.float64]:
    """[languages, scripts], 1 where the language is the only one that has the script."""
    by_script = np.stack([np.bincount(at, row, minlength=len(index)) for row in rates])
    share = by_script / np.maximum(by_script.sum(axis=0), 1e-30)
    owned = np.asarray(share >= _EXCLUSIVE, np.float64)
    owned[:, [index[name] for name in (OTHER, NONE, PART)]] = 0
    return owned
