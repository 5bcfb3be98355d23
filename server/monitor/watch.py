"""One answer under watch: its bytes become texts, its texts findings."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from server.monitor.reader import Part, Piece, Reader
from server.monitor.running import Running
from server.monitor.subject import Subject
from server.monitor.verdict import Finding

_SLICE = 4 << 10  # bytes of a stream read at a time
_CHOICES = 64  # texts of one request that are judged


@dataclass(frozen=True, kw_only=True)
class Seen:
    """One text of an answer and what was found of it.

    Attributes:
        subject: the request's.
        part: the answer itself, or the reasoning before it.
        choice: which of several, from 0.
        finding: its languages.
        characters: how long it is, with all that is not counted.
        request_id: X-Request-Id of the answer, or of the request, or the answer's own id.
        stream: whether it came as a stream.
        kept: the beginning and the end of it, as far as they are kept.
    """

    subject: Subject
    part: Part
    choice: int
    finding: Finding
    characters: int
    request_id: str
    stream: bool
    kept: str


class Reports(Protocol):
    """Who is told."""

    def answered(self, seen: Seen) -> None:
        """A text is complete."""

    def slipped(self, subject: Subject, finding: Finding, characters: int) -> None:
        """A stream has left the language; told once a stream, while it runs."""

    def unread(self) -> None:
        """An answer was not what these endpoints send."""


class Watch:
    """Judges one answer as its bytes come; for one thread.

    Args:
        subject: the request's.
        stream: whether the answer is a stream of events.
        request_id: X-Request-Id of the answer, or "".
        reports: told what is found.
        language: gives the language of a text.
        pause: called between steps, for whoever waits for the interpreter's lock.
        keep: characters of either end to keep for a log.
    """

    def __init__(
        self,
        subject: Subject,
        *,
        stream: bool,
        request_id: str,
        reports: Reports,
        language: Callable[[str], str],
        pause: Callable[[], None],
        keep: int,
    ) -> None:
        self._subject = subject
        self._stream = stream
        self._request_id = request_id
        self._reports = reports
        self._language = language
        self._pause = pause
        self._keep = keep
        self._reader = Reader(stream=stream)
        self._texts: dict[tuple[int, Part], Running] = {}
        self._warned = False

    def take(self, chunks: Sequence[bytes], end: bool) -> None:
        """Read on.

        Args:
            chunks: what came since the last call.
            end: whether that was all.
        """
        data = b"".join(chunks)
        step = _SLICE if self._stream else max(1, len(data))
        for start in range(0, len(data), step):
            self._read(self._reader.feed(data[start : start + step]))
            self._pause()
        if end:
            self._read(self._reader.end())
            self._end()

    def _read(self, pieces: Sequence[Piece]) -> None:
        for piece in pieces:
            key = (piece.choice, piece.part)
            text = self._texts.get(key)
            if text is None:
                if len(self._texts) == _CHOICES:
                    continue
                text = Running(self._subject.promised(piece.part), self._language, self._keep)
                self._texts[key] = text
            for finding in text.add(piece.text):
                self._look(piece.part, finding, text.characters)

    def _look(self, part: Part, finding: Finding, characters: int) -> None:
        if self._stream and not self._warned and part == "answer" and finding.verdict == "miss":
            self._warned = True
            self._reports.slipped(self._subject, finding, characters)

    def _end(self) -> None:
        if self._reader.broken:
            self._reports.unread()
        if self._reader.failed or self._reader.broken:
            return
        for (choice, part), text in self._texts.items():
            seen = Seen(
                subject=self._subject,
                part=part,
                choice=choice,
                finding=text.end(),
                characters=text.characters,
                request_id=self._request_id or self._reader.answer_id,
                stream=self._stream,
                kept=text.kept,
            )
            self._reports.answered(seen)
