"""The text whose mixing is looked at: pieces, their languages, and the tokens they become."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from profiles.errors import LangsteerError
from profiles.judging.identify import UNKNOWN, identify
from profiles.models.beginning import adds_bos

_REPLACEMENT = "\ufffd"


@dataclass(frozen=True, kw_only=True)
class MixedText:
    """Tokens and what they are.

    Attributes:
        pieces: (language, text) as given; "und" where the language could not be told.
        ids: token ids, BOS first where the tokenizer adds it.
        tokens: each token as people can read it.
        languages: of each token's piece; None for BOS.
    """

    pieces: tuple[tuple[str, str], ...]
    ids: tuple[int, ...]
    tokens: tuple[str, ...]
    languages: tuple[str | None, ...]


def mixed_text(tokenizer: Any, texts: Sequence[str], tags: Sequence[str] = ()) -> MixedText:
    """The pieces one after the other, a space between them, as one text.

    Args:
        tokenizer: of the model.
        texts: at least one.
        tags: the language of each piece; identified where none are given.

    Raises:
        LangsteerError: there is no text, or as many tags as pieces are not given.
    """
    if not all(text.strip() for text in texts) or not texts:
        raise LangsteerError(
            "there is no text to look at: give one, or several, none of them empty"
        )
    if tags and len(tags) != len(texts):
        raise LangsteerError(
            f"{len(tags)} languages for {len(texts)} texts: give one a text, or none at all"
        )
    named = tags or [identify(text).language for text in texts]
    ids: list[int] = [tokenizer.bos_token_id] if adds_bos(tokenizer) else []
    languages: list[str | None] = [None] * len(ids)
    for number, (tag, text) in enumerate(zip(named, texts, strict=True)):
        # Piece by piece, so that it is certain whose a token is.
        piece = text if number == 0 else f" {text}"
        found = tokenizer(piece, add_special_tokens=False).input_ids
        ids += found
        languages += [tag] * len(found)
    return MixedText(
        pieces=tuple(zip(named, texts, strict=True)),
        ids=tuple(ids),
        tokens=tuple(_readable(tokenizer, token) for token in ids),
        languages=tuple(languages),
    )


def known(languages: Sequence[str | None]) -> list[str]:
    """The languages there are, without "und", in the order in which they come."""
    return [tag for tag in dict.fromkeys(languages) if tag and tag != UNKNOWN]


def _readable(tokenizer: Any, token: int) -> str:
    text = str(tokenizer.decode([token]))
    raw = str(tokenizer.convert_ids_to_tokens(token))
    if not text or _REPLACEMENT in text:
        return raw  # a byte of a character, such as <0xE6>
    return text.replace("\n", "⏎").replace("\t", "⇥")
