"""A text in stretches that are long enough to tell each one's language."""

from __future__ import annotations

import re
from collections.abc import Iterator

# Where a sentence may end: a line, or a full stop with what closes after it.
_END = re.compile(r"\n+|[.!?…]+[\"”“»)\]]*\s+|[。！？]+[」』）]*|[।؟]\s*")
_WIDE = re.compile(r"[\u3041-\u30ff\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U000323af]")
_HANGUL = re.compile(r"[\uac00-\ud7a3]")
_LONGEST = 400  # characters; text without any stop is cut there


def segments(text: str, shortest: int = 40) -> list[str]:
    """Sentences and lines in order, neighbours joined until each is long enough.

    Args:
        text: any.
        shortest: weight (see `weight`) of a segment; what is left over joins the last one.
    """
    found: list[str] = []
    waiting, weighed = "", 0
    for sentence in _sentences(text):
        waiting += sentence
        weighed += weight(sentence)
        if weighed >= shortest:
            found.append(waiting.strip())
            waiting, weighed = "", 0
    if weighed and found:
        found[-1] += " " + waiting.strip()
    elif weighed:
        found.append(waiting.strip())
    return found


def weight(text: str) -> int:
    """How much a text says of its language: 1 a letter, 2 one of Hangul, 3 an ideograph or kana."""
    found = sum(map(str.isalpha, text))
    if not text.isascii():
        found += 2 * len(_WIDE.findall(text)) + len(_HANGUL.findall(text))
    return found


def _sentences(text: str) -> Iterator[str]:
    start = 0
    for end in [*(match.end() for match in _END.finditer(text)), len(text)]:
        while end - start > _LONGEST:
            blank = text.rfind(" ", start + _LONGEST // 2, start + _LONGEST)
            cut = blank + 1 if blank >= 0 else start + _LONGEST
            yield text[start:cut]
            start = cut
        if end > start:
            yield text[start:end]
        start = end
