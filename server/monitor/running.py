"""One answer's text as it arrives, judged piece by piece so that none is kept whole."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable
from itertools import pairwise

from server.monitor.promise import Promise
from server.monitor.prose import fence, prose
from server.monitor.segments import segments, weight
from server.monitor.verdict import Finding, judge

PIECE = 2000  # characters, after which what has come is judged
_HELD = 16_000  # characters that wait for the end of a JSON document, or of a block of code
# Segments looked at, evenly spread: of an answer's first piece, where each weighs most, and of each
# later one. They bound what judging costs.
_AT_FIRST, _LATER = 24, 8
_STOPS = re.compile(r"[.!?…][\"”“»)\]]*\s|[。！？।؟]")
_JSON = re.compile(r"\s*(?:\{\s*[\"}]|\[\s*[\[{\"])")
_STRING = re.compile(r'"((?:[^"\\]|\\.)*+)"(\s*:)?')  # the second group: it is a key


class Running:
    """The languages of an answer, counted while it comes.

    Of JSON (structured output) only the string values are counted, and those of the first 16,000
    characters.

    Args:
        promise: what it is to be.
        language: gives the language of a text, "und" where it cannot be told.
        keep: characters to keep of its beginning, and as many of its end; for a log.
    """

    def __init__(self, promise: Promise, language: Callable[[str], str], keep: int = 0) -> None:
        self.characters = 0
        self._promise = promise
        self._language = language
        self._keep = keep
        self._head = self._tail = ""
        self._counted: Counter[str] = Counter()
        self._waiting: list[str] = []
        self._waiting_length = 0
        self._enough = PIECE
        self._json: bool | None = None
        self._over = False

    def add(self, text: str) -> list[Finding]:
        """More of the answer came: the findings of each piece that is now complete."""
        self._remember(text)
        self.characters += len(text)
        if self._over:
            return []
        self._waiting.append(text)
        self._waiting_length += len(text)
        pieces: list[Finding] = []
        while self._waiting_length >= self._enough:
            piece, rest = self._cut("".join(self._waiting))
            self._waiting, self._waiting_length = [rest], len(rest)
            # What waits for its end is looked at again when there is much more of it.
            self._enough = PIECE if piece else len(rest) + PIECE
            if piece:
                pieces.append(judge(self._count(piece), self._promise))
        return pieces

    def end(self) -> Finding:
        """Nothing more comes: what was found of all of it."""
        self._count("".join(self._waiting))
        self._waiting, self._waiting_length = [], 0
        return judge(self._counted, self._promise)

    @property
    def kept(self) -> str:
        """The beginning and the end of the text, "…" between them where something is left out."""
        left_out = self.characters > 2 * self._keep
        return f"{self._head}\n…\n{self._tail}" if left_out else self._head + self._tail

    def _remember(self, text: str) -> None:
        room = self._keep - len(self._head)
        self._head += text[: max(0, room)]
        if len(text) > room:
            self._tail = (self._tail + text[max(0, room) :])[-self._keep :] if self._keep else ""

    def _cut(self, text: str) -> tuple[str, str]:
        """(what can be judged now, what waits for more)."""
        if self._is_json(text):
            # Half a document has no strings to tell from keys; a long one's beginning does.
            self._over = len(text) >= _HELD
            return (text[:_HELD], "") if self._over else ("", text)
        ends = [match.end() for match in _STOPS.finditer(text, PIECE // 2, PIECE)]
        start = max(text.rfind("\n", PIECE // 2, PIECE) + 1, *ends[-1:], 0) or PIECE
        opened = _open_fence(text[:start])
        if not opened:
            return text[:start], text[start:]
        if len(text) < _HELD:
            closing = text.find(f"\n{opened}", start - 1)
            end = text.find("\n", closing + 1) + 1 if closing >= 0 else 0
            return (text[:end], text[end:]) if end else ("", text)
        return text[:start], f"{opened}\n{text[start:]}"

    def _is_json(self, text: str) -> bool:
        if self._json is None and text.strip():
            self._json = bool(_JSON.match(text))
        return bool(self._json)

    def _count(self, piece: str) -> Counter[str]:
        counted: Counter[str] = Counter()
        if self._is_json(piece):
            piece = _string_values(piece)
        found = segments(prose(piece, self._promise.exclude))
        pieces = -(-len(piece) // PIECE)
        most = (_LATER if self._counted else _AT_FIRST) + _LATER * max(0, pieces - 1)
        looked_at = min(len(found), most)
        bounds = [n * len(found) // looked_at for n in range(looked_at)]
        for start, end in pairwise([*bounds, len(found)]):
            # A neighbour that is not looked at is taken to be in the same language.
            counted[self._language(found[start])] += sum(map(weight, found[start:end]))
        self._counted += counted
        return counted


def _open_fence(text: str) -> str:
    opened = ""
    for line in text.splitlines():
        if mark := fence(line):
            opened = "" if opened == mark else opened or mark
    return opened


def _string_values(document: str) -> str:
    """The values of several words, a line each: single ones are codes and names as often."""
    found: list[str] = []
    for match in _STRING.finditer(document):
        if match[2]:
            continue
        try:
            value = str(json.loads(f'"{match[1]}"', strict=False))
        except ValueError:
            continue
        if " " in value.strip() or weight(value) > len(value):
            found.append(value)
    return "\n".join(found)
