"""What writes the outputs that are judged: here the model at hand, offline."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

from profiles.errors import ModelError
from profiles.judging.condition import Row
from profiles.judging.method import Method
from profiles.models.generate import generate, prompt_ids
from profiles.models.model import LoadedModel

Show = Callable[[int, int], None]


@dataclass(frozen=True, kw_only=True)
class Output:
    """One output.

    Attributes:
        text: up to the row's first stop.
        ids: its token ids where they are known and nothing was cut off.
    """

    text: str
    ids: tuple[int, ...] | None = None


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """How to sample.

    Attributes:
        tokens: length of an output.
        temperature: of plain sampling, no nucleus filter; 0 is greedy.
        seed: row n of a condition draws with seed + n, whatever the method.
        batch: rows at once.
    """

    tokens: int
    temperature: float
    seed: int
    batch: int


def nothing(tokenizer: Any) -> list[int]:
    """The empty text as token ids, as `generate` reads it; none where no token begins a text."""
    try:
        return prompt_ids(tokenizer, "")
    except ModelError:
        return []


class Writer(Protocol):
    """Writes an output for each row."""

    @property
    def has_chat(self) -> bool:
        """Whether conversations can be asked."""

    def write(
        self, rows: Sequence[Row], method: Method, sampling: Sampling, show: Show
    ) -> list[Output]:
        """One output a row, in their order."""


class OfflineWriter:
    """Writes with a transformers model."""

    def __init__(self, loaded: LoadedModel) -> None:
        self._loaded = loaded

    @property
    def has_chat(self) -> bool:
        return bool(getattr(self._loaded.tokenizer, "chat_template", None))

    def write(
        self, rows: Sequence[Row], method: Method, sampling: Sampling, show: Show
    ) -> list[Output]:
        tokenizer = self._loaded.tokenizer
        prompts = [row.text(tokenizer) for row in rows]
        out: list[Output] = []
        batches = -(-len(rows) // sampling.batch)
        for n, start in enumerate(range(0, len(rows), sampling.batch)):
            end = start + sampling.batch
            before = n * sampling.tokens
            with method.writing(
                [len(tokenizer(prompt).input_ids) for prompt in prompts[start:end]]
            ):
                found = generate(
                    self._loaded,
                    prompts[start:end],
                    tokens=sampling.tokens,
                    temperature=sampling.temperature,
                    seed=sampling.seed + start,
                    progress=lambda done, _of, before=before: show(  # type: ignore[misc]
                        before + done, batches * sampling.tokens
                    ),
                )
            for row, ids in zip(rows[start:end], found, strict=True):
                text = tokenizer.decode(ids, skip_special_tokens=True)
                kept = row.cut(text)
                out.append(Output(text=kept, ids=tuple(ids) if kept == text else None))
        return out
