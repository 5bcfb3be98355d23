"""Baseline: a constant bias on the logits, for the words and the script of a language."""

from __future__ import annotations

import math
import unicodedata
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

CAP = 5.0
_SMOOTHING = 0.5


def logit_bias(
    counts: Mapping[str, Mapping[int, int]], pieces: Sequence[str], language: str
) -> Tensor:
    """A bias towards a language, float32 [vocabulary], in nats.

    Tokens of the corpus: ln p(token | language) − ln p(token | other languages), add-½ smoothed,
    within ±5. It is what turns a model of the others' words into one of the language's, were
    words independent. Tokens the corpus lacks go by script: −5 with a letter in a script the
    language does not use, +2½ where all letters are in scripts English does not use either.

    Args:
        counts: how often each token id occurs, by language.
        pieces: the text of each token id.
        language: one of `counts`.
    """
    own, others = counts[language], Counter[int]()
    for other, count in counts.items():
        if other != language:
            others.update(count)
    seen = {*own, *others}
    mine, theirs = sum(own.values()), sum(others.values())
    room = _SMOOTHING * len(seen)
    scripts = Counter(s for i, n in own.items() for s in scripts_of(pieces[i]) for _ in range(n))
    used = {s for s, n in scripts.items() if n > 0.01 * scripts.total()}
    bias = torch.zeros(len(pieces))
    for token, piece in enumerate(pieces):
        if token in seen:
            p = (own.get(token, 0) + _SMOOTHING) / (mine + room)
            q = (others.get(token, 0) + _SMOOTHING) / (theirs + room)
            bias[token] = max(-CAP, min(CAP, math.log(p / q)))
        elif found := scripts_of(piece):
            if not found <= used:
                bias[token] = -CAP
            elif "LATIN" not in found:
                bias[token] = CAP / 2
    return bias


def scripts_of(text: str) -> set[str]:
    """The scripts of its letters, as the first word of their Unicode names."""
    return {_script(c) for c in text if c.isalpha()}


def count_tokens(tokenizer: Any, texts: Sequence[str]) -> Counter[int]:
    """How often each token id occurs in the texts."""
    # With a blank before them too: in the middle of a text most words have one.
    both = [t for text in texts for t in (text, " " + text)]
    rows = tokenizer(both, add_special_tokens=False).input_ids
    return Counter(int(i) for row in rows for i in row)


@contextmanager
def biased(model: Any, bias_V: Tensor) -> Iterator[None]:
    """Within the block `bias_V` is added to the model's logits."""
    head: nn.Module = model.get_output_embeddings()

    def after(_module: nn.Module, _args: Any, logits: Tensor) -> Tensor:
        out = logits.clone()
        out[..., : len(bias_V)] += bias_V.to(logits)
        return out

    handle = head.register_forward_hook(after)
    try:
        yield
    finally:
        handle.remove()


@cache
def _script(c: str) -> str:
    return unicodedata.name(c, "UNKNOWN").split()[0]
