from __future__ import annotations

from types import SimpleNamespace

import pytest

from profiles.errors import ModelError
from profiles.judging.writer import nothing
from profiles.models.beginning import adds_bos, first_token
from profiles.models.generate import prompt_ids


class Tokenizer:
    """Of single characters."""

    def __init__(self, bos: int | None, eos: int | None, *, adds: bool = False) -> None:
        self.bos_token_id, self.eos_token_id = bos, eos
        self._start = [bos] if adds else []

    def __call__(self, text: str) -> SimpleNamespace:
        return SimpleNamespace(input_ids=[*self._start, *map(ord, text)])


@pytest.mark.parametrize(("bos", "eos", "first"), [(5, 6, 5), (None, 6, 6), (0, 6, 0)])
def test_a_text_from_nothing_begins_with_bos_or_else_eos(
    bos: int | None, eos: int, first: int
) -> None:
    tokenizer = Tokenizer(bos, eos)
    assert first_token(tokenizer) == first
    assert prompt_ids(tokenizer, "") == nothing(tokenizer) == [first]
    assert prompt_ids(tokenizer, "a") == [97]


def test_without_bos_and_eos_no_text_begins_from_nothing() -> None:
    tokenizer = Tokenizer(None, None)
    with pytest.raises(ModelError, match="neither BOS nor EOS"):
        first_token(tokenizer)
    assert nothing(tokenizer) == []
    assert prompt_ids(tokenizer, "a") == [97]


def test_who_adds_bos() -> None:
    assert adds_bos(Tokenizer(5, 6, adds=True))
    assert not adds_bos(Tokenizer(5, 6))
    assert not adds_bos(Tokenizer(None, 6))
