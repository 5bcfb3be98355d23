"""The token a text begins with."""

from __future__ import annotations

from typing import Any

from profiles.errors import ModelError


def first_token(tokenizer: Any) -> int:
    """The id that a text from nothing begins with: BOS; EOS for a tokenizer without BOS.

    Raises:
        ModelError: the tokenizer has neither.
    """
    # Without BOS, a text from nothing begins after the end of another.
    for token in (tokenizer.bos_token_id, tokenizer.eos_token_id):
        if token is not None:
            return int(token)
    raise ModelError("the tokenizer has neither BOS nor EOS: no text can begin from nothing")


def adds_bos(tokenizer: Any) -> bool:
    """Whether the tokenizer puts BOS before a text by itself; some have one and do not."""
    bos = tokenizer.bos_token_id
    return bos is not None and [*tokenizer("a").input_ids][:1] == [bos]
