"""Judge generated text: its language, whether it repeats itself, how likely it is."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from profiles.judging.identify import UNKNOWN, cross_check, identify, primary
from profiles.judging.likelihood import bits_of
from profiles.judging.repetition import is_repetitive
from profiles.models.model import LoadedModel


@dataclass(frozen=True, kw_only=True)
class Verdict:
    """One output, judged.

    Attributes:
        text: the output.
        language: identified tag, "und" where it can't be told.
        probability: of that language.
        second: what the second identifier alone says, see `cross_check`.
        repetitive: over half of its 8-character grams are repeats.
        bits: its negative log2-likelihood after BOS under the unedited model; None where there
            is no model at hand.
        bytes: its length in UTF-8.
    """

    text: str
    language: str
    probability: float
    second: str = UNKNOWN
    repetitive: bool
    bits: float | None
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
    texts = [loaded.tokenizer.decode(ids, skip_special_tokens=True) for ids in outputs]
    return judge_texts(texts, bits_of(loaded, outputs), among)


def judge_texts(
    texts: Sequence[str], bits: Sequence[float | None], among: Sequence[str] | None = None
) -> list[Verdict]:
    """Judge texts whose bits are known, or are not to be had (None)."""
    verdicts = []
    for text, cost in zip(texts, bits, strict=True):
        language, probability = identify(text, among)
        verdicts.append(
            Verdict(
                text=text,
                language=language,
                probability=probability,
                second=cross_check(text, among).language,
                repetitive=is_repetitive(text),
                bits=cost,
                bytes=len(text.encode()),
            )
        )
    return verdicts
