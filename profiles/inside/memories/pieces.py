"""Every token's text, as bytes: a token may hold a part of a character only."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

_BYTE = re.compile(r"<0x([0-9A-Fa-f]{2})>")
_BLANK = "\N{LOWER ONE EIGHTH BLOCK}"  # ▁, how SentencePiece writes a blank


@dataclass(frozen=True, kw_only=True, eq=False)
class Pieces:
    """The bytes of all tokens, one after the other.

    Attributes:
        data: uint8 [bytes].
        starts: int64 [vocabulary + 1], where each token's bytes begin.
    """

    data: NDArray[np.uint8]
    starts: NDArray[np.int64]

    def __len__(self) -> int:
        return len(self.starts) - 1

    def text(self, tokens: Sequence[int]) -> str:
        """What the tokens say together; parts of characters become U+FFFD."""
        parts = (self.data[self.starts[t] : self.starts[t + 1]].tobytes() for t in tokens)
        return b"".join(parts).decode("utf-8", "replace")

    def shown(self, token: int) -> str:
        """A single token for a list: blanks as ▁, line ends as ⏎, bytes of characters as hex."""
        raw = self.data[self.starts[token] : self.starts[token + 1]].tobytes()
        try:
            text = raw.decode("utf-8")
        except UnicodeDecodeError:
            return "<" + raw.hex(" ") + ">"
        text = text.replace(" ", _BLANK).replace("\n", "⏎").replace("\t", "⇥")
        return "".join(c if c.isprintable() else f"<U+{ord(c):04X}>" for c in text)


def read_pieces(tokenizer: Any, size: int) -> Pieces:
    """The pieces of a tokenizer; a model's vocabulary may be larger, its rest is empty.

    Args:
        tokenizer: of transformers, byte-level or with SentencePiece's blanks.
        size: tokens of the model's vocabulary.
    """
    known = min(size, len(tokenizer))
    tokens = tokenizer.convert_ids_to_tokens(list(range(known)))
    special = {*tokenizer.all_special_ids}
    # "Ġ" is the blank of byte-level vocabularies, in which each character stands for a byte.
    alphabet = _byte_alphabet() if _is_byte_level(tokenizer) else None
    made = [
        (token or "").encode("utf-8", "replace")
        if token is None or index in special
        else _bytes(token, alphabet)
        for index, token in enumerate(tokens)
    ]
    made += [b""] * (size - known)
    starts = np.zeros(size + 1, np.int64)
    starts[1:] = np.cumsum([len(piece) for piece in made])
    return Pieces(data=np.frombuffer(b"".join(made), np.uint8), starts=starts)


def _is_byte_level(tokenizer: Any) -> bool:
    found = tokenizer.convert_ids_to_tokens(tokenizer("a a", add_special_tokens=False).input_ids)
    return any("Ġ" in token for token in found)


def _bytes(token: str, alphabet: dict[str, int] | None) -> bytes:
    if alphabet is not None and all(c in alphabet for c in token):
        return bytes(alphabet[c] for c in token)
    if match := _BYTE.fullmatch(token):
        return bytes([int(match[1], 16)])
    return token.replace(_BLANK, " ").encode("utf-8", "replace")


def _byte_alphabet() -> dict[str, int]:
    """GPT-2's characters for bytes: printable ones for themselves, others from U+0100 on."""
    plain = [*range(0x21, 0x7F), *range(0xA1, 0xAD), *range(0xAE, 0x100)]
    others = [b for b in range(256) if b not in plain]
    return {chr(b): b for b in plain} | {chr(0x100 + n): b for n, b in enumerate(others)}
