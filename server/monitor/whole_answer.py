"""The verdict on a whole answer, all its choices together."""

from __future__ import annotations

from collections.abc import Callable

from server.monitor.promise import Promise
from server.monitor.reader import Reader
from server.monitor.running import Running
from server.monitor.verdict import Finding, Verdict

# From best to worst; what cannot be told is not preferred to what can.
RANK: tuple[Verdict, ...] = ("hit", "none", "mixed", "miss", "unknown")
_NOTHING = Finding(verdict="unknown", found="und", shares={})


def judge_whole(data: bytes, promise: Promise, language: Callable[[str], str]) -> Finding:
    """The worst finding of an answer's choices; reasoning does not count.

    Args:
        data: a JSON document, as the endpoints send it.
        promise: what it was to be.
        language: gives the language of a text.

    Returns:
        "unknown" where there is no text, or the document is none of these.
    """
    reader = Reader(stream=False)
    reader.feed(data)
    texts: dict[int, Running] = {}
    for piece in reader.end():
        if piece.part == "answer":
            texts.setdefault(piece.choice, Running(promise, language)).add(piece.text)
    found = [text.end() for text in texts.values()]
    # A choice too short to be told says nothing against the others.
    told = [each for each in found if each.verdict != "unknown"]
    return max(told, key=lambda each: RANK.index(each.verdict), default=_NOTHING)
