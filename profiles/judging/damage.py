"""What an edit does to each language: perplexity of held-out text with it and without."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from profiles.judging.likelihood import Cost, bits_per_byte, costs, perplexity, perplexity_ratio
from profiles.judging.method import Method
from profiles.judging.text import EvaluationText
from profiles.models.model import LoadedModel

Show = Callable[[int, int], None]
_NATURAL = 24  # paragraphs; cut to an output's length they cost little


class HeldOut:
    """Held-out paragraphs of every language, and what they cost the unedited model.

    Args:
        loaded: the model.
        text: the evaluation text.
        paragraphs: at most so many a language for perplexity; 0 for none.
    """

    def __init__(self, loaded: LoadedModel, text: EvaluationText, paragraphs: int) -> None:
        self._loaded = loaded
        every = {tag: text.paragraphs(tag) for tag in text.languages}
        self._short = {tag: found[:_NATURAL] for tag, found in every.items()}
        self._texts = {tag: found[:paragraphs] for tag, found in every.items()}
        self._plain: dict[str, list[Cost]] = {}

    def natural(self, tokens: int, show: Show) -> dict[str, dict[str, Any]]:
        """By language: bits per byte of text as long as outputs are, perplexity of all of it."""
        out = {}
        for done, tag in enumerate(self._texts):
            short = bits_per_byte(costs(self._loaded, self._short[tag], tokens))
            plain = self._cost(tag)
            out[tag] = {
                "bits_per_byte": short.rounded() if short else None,
                "perplexity": round(perplexity(plain), 3) if plain else None,
                "texts": len(plain),
                "tokens": sum(c.tokens for c in plain),
            }
            show(done + 1, len(self._texts))
        return out

    def ratios(self, method: Method, show: Show) -> Mapping[str, dict[str, Any]]:
        """By language: perplexity within the method's block, over that without it."""
        out = {}
        for done, (tag, texts) in enumerate(self._texts.items()):
            plain = self._cost(tag)
            with method.applied():
                changed = costs(self._loaded, texts)
            out[tag] = perplexity_ratio(changed, plain).rounded()
            show(done + 1, len(self._texts))
        return out

    def _cost(self, tag: str) -> Sequence[Cost]:
        if tag not in self._plain:
            self._plain[tag] = costs(self._loaded, self._texts[tag])
        return self._plain[tag]
