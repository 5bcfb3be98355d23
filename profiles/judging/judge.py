"""Judge generated text: its language, whether it repeats itself, how likely it is."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch

from profiles.judging.identify import UNKNOWN, identify, primary
from profiles.judging.repetition import is_repetitive
from profiles.models.model import LoadedModel

_ROWS = 8


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One output, judged.

    Attributes:
        text: the output.
        language: identified tag, "und" where it can't be told.
        probability: of that language.
        repetitive: over half of its 8-character grams are repeats.
        bits: its negative log2-likelihood after BOS under the unedited model.
        bytes: its length in UTF-8.
    """

    text: str
    language: str
    probability: float
    repetitive: bool
    bits: float
    bytes: int

    def success(self, target: str) -> bool:
        """In the target language and not degenerate."""
        return self.language == primary(target) and not self.repetitive


def judge(
    loaded: LoadedModel, outputs: Sequence[Sequence[int]], among: Sequence[str] | None = None
) -> list[Verdict]:
    """Judge outputs given as token ids. Call it outside any `edited` block.

    Args:
        loaded: the unedited model.
        outputs: token ids, without special tokens.
        among: the languages at hand, see `identify`.
    """
    bits = [b for i in range(0, len(outputs), _ROWS) for b in _bits(loaded, outputs[i : i + _ROWS])]
    verdicts = []
    for ids, cost in zip(outputs, bits, strict=True):
        text = loaded.tokenizer.decode(ids, skip_special_tokens=True)
        language, probability = identify(text, among) if text.strip() else (UNKNOWN, 0.0)
        verdicts.append(
            Verdict(
                text=text,
                language=language,
                probability=probability,
                repetitive=is_repetitive(text),
                bits=cost,
                bytes=len(text.encode()),
            )
        )
    return verdicts


def _bits(loaded: LoadedModel, outputs: Sequence[Sequence[int]]) -> list[float]:
    tokenizer = loaded.tokenizer
    first = tokenizer.bos_token_id if tokenizer.bos_token_id is not None else tokenizer.eos_token_id
    width = max(1 + len(ids) for ids in outputs)
    # Padded on the right: causal attention then needs no mask.
    ids = torch.tensor([[first, *o] + [0] * (width - 1 - len(o)) for o in outputs])
    ids = ids.to(loaded.device)
    with torch.inference_mode():
        logits = loaded.model(input_ids=ids, use_cache=False).logits[:, :-1].float()
        chosen = logits.gather(-1, ids[:, 1:, None])[..., 0]
        costs = (logits.logsumexp(-1) - chosen) / math.log(2)
    return [float(costs[row, : len(o)].sum()) for row, o in enumerate(outputs)]
