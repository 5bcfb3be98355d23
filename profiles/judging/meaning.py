"""Whether outputs mean what they should: nearest reference by embedding."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from profiles.judging.embedders import Embed
from profiles.judging.identify import identify, primary


class Meaning:
    """Compares texts of several languages by meaning.

    A language shifts all its texts the same way, so every embedding has its own language's mean
    taken off before cosines are taken.

    Args:
        embed: the embedding.
        sentences: aligned sentences by tag; their means are the languages' means.
    """

    def __init__(self, embed: Embed, sentences: Mapping[str, Sequence[str]]) -> None:
        self._embed = embed
        self._sentences = {primary(tag): [*lines] for tag, lines in sentences.items()}
        self._kept: dict[str, Tensor] = {}
        self._anchors: dict[tuple[str, tuple[int, ...]], float] = {}

    def hits(self, outputs: Sequence[str], lines: Sequence[int], language: str) -> list[bool]:
        """Whether each output's nearest reference, of those asked for, is its own.

        Args:
            outputs: texts, in whatever language they came out.
            lines: which line each should say.
            language: of the references.
        """
        wanted = primary(language)
        references_NH = self._unit(self._references(wanted)[[*lines]] - self._center(wanted))
        rows = []
        for text, embedded_H in zip(outputs, self._embed([o or " " for o in outputs]), strict=True):
            spoken = identify(text).language
            center = self._center(spoken if spoken in self._sentences else wanted)
            rows.append(embedded_H - center)
        nearest = (self._unit(torch.stack(rows)) @ references_NH.T).argmax(1).tolist()
        return [
            bool(text.strip()) and lines[found] == line
            for text, found, line in zip(outputs, nearest, lines, strict=True)
        ]

    def anchor(self, lines: Sequence[int], language: str) -> float:
        """How often the English sentence itself finds its reference: what the embedding can see."""
        key = (primary(language), tuple(lines))
        if key not in self._anchors:
            own = [self._sentences["en"][n] for n in lines]
            self._anchors[key] = sum(self.hits(own, lines, language)) / len(own)
        return self._anchors[key]

    def _references(self, language: str) -> Tensor:
        if language not in self._kept:
            self._kept[language] = self._embed(self._sentences[language])
        return self._kept[language]

    def _center(self, language: str) -> Tensor:
        return self._references(language).mean(0)

    @staticmethod
    def _unit(x: Tensor) -> Tensor:
        return nn.functional.normalize(x, dim=-1)
