"""How likely a model finds a text: bits after BOS, and from them perplexity and bits per byte."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from profiles.judging.interval import Interval, ratio
from profiles.models.beginning import first_token
from profiles.models.model import LoadedModel

_ROWS = 8
# Bounds the logits, which are most of the memory: rows × width × vocabulary.
_TOKENS = 512


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What one text costs a model.

    Attributes:
        bits: its negative log2-likelihood after BOS.
        tokens: its length in tokens.
        bytes: its length in UTF-8.
    """

    bits: float
    tokens: int
    bytes: int


def bits_of(
    loaded: LoadedModel,
    outputs: Sequence[Sequence[int]],
    contexts: Sequence[Sequence[int]] | None = None,
) -> list[float]:
    """Bits of each row of token ids after BOS, under the model as it is at the moment.

    Args:
        loaded: the model; edits are applied by the caller, see `edited`.
        outputs: token ids without special tokens; an empty row costs nothing.
        contexts: token ids that stand between BOS and each row, and are not counted.
    """
    before = contexts or [()] * len(outputs)
    order = sorted(range(len(outputs)), key=lambda n: len(before[n]) + len(outputs[n]))
    found = [0.0] * len(outputs)
    while order:
        widest = 1 + len(before[order[-1]]) + len(outputs[order[-1]])
        rows = max(1, min(_ROWS, _TOKENS // widest))
        batch, order = order[-rows:], order[:-rows]
        read = [(before[n], outputs[n]) for n in batch]
        for n, bits in zip(batch, _batch(loaded, read), strict=True):
            found[n] = bits
    return found


def costs(
    loaded: LoadedModel,
    texts: Sequence[str],
    tokens: int | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> list[Cost]:
    """What each text costs, cut to its first `tokens` tokens where given."""
    rows = [
        [int(i) for i in loaded.tokenizer(text, add_special_tokens=False).input_ids][:tokens]
        for text in texts
    ]
    sizes = [
        len((text if tokens is None else str(loaded.tokenizer.decode(row))).encode())
        for text, row in zip(texts, rows, strict=True)
    ]
    found = bits_of(loaded, rows)
    if progress:
        progress(len(texts), len(texts))
    return [
        Cost(bits=bits, tokens=len(row), bytes=size)
        for bits, row, size in zip(found, rows, sizes, strict=True)
    ]


def perplexity(costs: Sequence[Cost]) -> float:
    """2 to the mean bits a token, over all tokens of all texts."""
    return float(2.0 ** (sum(c.bits for c in costs) / sum(c.tokens for c in costs)))


def perplexity_ratio(edited: Sequence[Cost], plain: Sequence[Cost]) -> Interval:
    """Perplexity under an edit over that without it; the bootstrap draws whole texts.

    Args:
        edited, plain: costs of the same texts, in the same order.
    """
    extra = [e.bits - p.bits for e, p in zip(edited, plain, strict=True)]
    found = ratio(extra, [p.tokens for p in plain])
    if found is None:
        raise ValueError("perplexity_ratio needs at least one text with a token")
    return Interval(
        value=2.0**found.value, low=2.0**found.low, high=2.0**found.high, count=found.count
    )


def bits_per_byte(costs: Sequence[Cost]) -> Interval | None:
    """Bits of all texts over their bytes."""
    return ratio([c.bits for c in costs], [c.bytes for c in costs])


def _batch(loaded: LoadedModel, rows: Sequence[tuple[Sequence[int], Sequence[int]]]) -> list[float]:
    first = first_token(loaded.tokenizer)
    width = max(1 + len(before) + len(own) for before, own in rows)
    # Padded on the right: causal attention then needs no mask.
    filled = [[first, *before, *own] for before, own in rows]
    ids = torch.tensor([row + [0] * (width - len(row)) for row in filled], device=loaded.device)
    if width == 1:
        return [0.0] * len(rows)
    with torch.inference_mode():
        logits = loaded.model(input_ids=ids, use_cache=False).logits[:, :-1].float()
        chosen = logits.gather(-1, ids[:, 1:, None])[..., 0]
        spent = (logits.logsumexp(-1) - chosen) / math.log(2)
    return [
        float(spent[n, len(before) : len(before) + len(own)].sum())
        for n, (before, own) in enumerate(rows)
    ]
