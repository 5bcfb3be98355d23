"""The monitor: takes answers in, and counts and logs what language they were in."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable, Sequence
from functools import partial

from server.catalog import Catalog
from server.metrics import Metrics
from server.monitor.answer_log import AnswerLog
from server.monitor.language import gently
from server.monitor.pause import pause
from server.monitor.subject import Subject
from server.monitor.verdict import UNKNOWN, Finding
from server.monitor.watch import Seen, Watch
from server.worker import Worker

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures

# Beside the profiles' own: what models are most often found in. Others count as "other".
COUNTED = frozenset(
    {"ar", "de", "en", "es", "fr", "hi", "it", "ja", "ko", "nl", "pl", "pt", "ru", "tr", "vi", "zh"}
)
_QUIET = 60.0


class Monitor:
    """Where finished answers go; whoever hands one over goes on at once.

    Args:
        catalog: gives the profiles on offer now, whose languages are counted by name.
        metrics: where findings are counted.
        everything: whether answers that nothing was promised of are watched too.
        log: where some of them are written; None for nowhere.
        worker: does the work.
        language: gives the language of a text, "und" where it cannot be told.
    """

    def __init__(
        self,
        *,
        catalog: Callable[[], Catalog],
        metrics: Metrics,
        everything: bool = False,
        log: AnswerLog | None = None,
        worker: Worker | None = None,
        language: Callable[[str], str] = gently,
    ) -> None:
        self.everything = everything
        self.worker = worker or Worker()
        self._catalog = catalog
        self._metrics = metrics
        self._log = log
        self._language = language
        self._quiet_until = 0.0

    def load(self) -> None:
        """Load the identifiers now, not with the first answer: it takes a second."""
        self._language("The models are loaded now.")

    def watch(self, subject: Subject, *, stream: bool, request_id: str) -> Watch:
        """A new answer begins."""
        return Watch(
            subject,
            stream=stream,
            request_id=request_id,
            reports=self,
            language=self._language,
            pause=pause,
            keep=self._log.keeps if self._log else 0,
        )

    def take(self, watch: Watch, chunks: Sequence[bytes], size: int, *, end: bool) -> bool:
        """Hand more of an answer over; False where there is no room, and it is given up.

        Args:
            watch: the answer's.
            chunks: what came since the last call.
            size: bytes of them.
            end: whether that was all.
        """
        if self.worker.put(partial(watch.take, chunks, end), size):
            return True
        self._metrics.unwatched("full")
        return False

    def too_large(self) -> None:
        """An answer was larger than what is read."""
        self._metrics.unwatched("large")

    def unread(self) -> None:
        """As in `Reports`."""
        self._metrics.unwatched("unread")

    def answered(self, seen: Seen) -> None:
        """As in `Reports`."""
        finding, subject = seen.finding, seen.subject
        self._metrics.answered(
            wanted=subject.promised(seen.part).wanted,
            found=self._counted(finding.found),
            verdict=finding.verdict,
            policy=subject.policy,
            part=seen.part,
        )
        if self._log is not None:
            self._log.note(seen)

    def slipped(self, subject: Subject, finding: Finding, characters: int) -> None:
        """As in `Reports`."""
        self._metrics.slipped(subject.promise.wanted, subject.policy)
        if time.monotonic() >= self._quiet_until:
            self._quiet_until = time.monotonic() + _QUIET
            logger.warning(
                "a stream%s is in %s by its character %d, and was to be %s; more such streams "
                "within a minute are counted only",
                f" under the policy's rule {subject.policy}" if subject.policy else "",
                finding.found,
                characters,
                subject.promise.wanted or f"in none of {', '.join(subject.promise.unwanted)}",
            )

    def _counted(self, found: str) -> str:
        known = COUNTED | {entry.tag.language for entry in self._catalog()} | {UNKNOWN}
        return found if found in known else "other"
