"""Whether outputs mean what they should: nearest reference by embedding."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn

from profiles.errors import ModelError
from profiles.judging.identify import identify, primary
from profiles.models.model import LoadedModel

# Texts → float32 [texts, width].
Embed = Callable[[Sequence[str]], Tensor]
_ROWS, _TOKENS = 16, 128


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


def hidden_states(loaded: LoadedModel) -> Embed:
    """The unedited model's own hidden states of its middle layer, averaged over a text's tokens.

    A stand-in for a multilingual sentence embedder, which no package at hand ships.
    """

    def embed(texts: Sequence[str]) -> Tensor:
        decoder: Any = loaded.decoder
        rows = [
            [int(i) for i in loaded.tokenizer(text, add_special_tokens=True).input_ids][:_TOKENS]
            for text in texts
        ]
        out = []
        for n in range(0, len(rows), _ROWS):
            batch = rows[n : n + _ROWS]
            width = max(map(len, batch))
            # Padded on the right: causal attention then needs no mask.
            ids = torch.tensor([row + [0] * (width - len(row)) for row in batch])
            with torch.inference_mode():
                states = decoder(
                    input_ids=ids.to(loaded.device), use_cache=False, output_hidden_states=True
                ).hidden_states
            middle = states[len(states) // 2].float().cpu()
            # BOS, whose state dwarfs all others, is left out where there is text beside it.
            out += [middle[i, min(1, len(r) - 1) : len(r)].mean(0) for i, r in enumerate(batch)]
        return torch.stack(out)

    return embed


def encoder(folder: Path) -> Embed:
    """A sentence embedder in a folder that transformers can load; mean-pooled last layer.

    Raises:
        ModelError: transformers cannot load it.
    """
    from transformers import AutoModel, AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(folder)
        model = AutoModel.from_pretrained(folder).eval()
    # Whatever a foreign checkpoint makes transformers raise is the user's to read, in one line.
    except Exception as error:
        line = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ModelError(f"transformers cannot load the embedder {folder}: {line}") from error

    def embed(texts: Sequence[str]) -> Tensor:
        out = []
        for n in range(0, len(texts), _ROWS):
            batch = tokenizer(
                [*texts[n : n + _ROWS]],
                padding=True,
                truncation=True,
                max_length=_TOKENS,
                return_tensors="pt",
            )
            with torch.inference_mode():
                states = model(**batch).last_hidden_state
            mask = batch["attention_mask"][..., None]
            out.append((states * mask).sum(1) / mask.sum(1))
        return torch.cat(out).float()

    return embed
