"""What came of a soak."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from tests.soak.client import Asked
from tests.soak.kinds import COMES_AND_GOES
from tests.soak.offer import Offer
from tests.soak.reference import References

_SHOWN = 5


class Report:
    """Counts requests by what came of them.

    Attributes:
        asked: every request.
        outages: (since, until) during which the server was down; requests fail then, and are told.
        most_open: the most streams that were open at a time.
    """

    def __init__(self) -> None:
        self.asked: list[Asked] = []
        self.outages: list[tuple[float, float]] = []
        self.most_open = 0

    def account(self, offer: Offer, references: References) -> dict[str, Any]:
        """The figures, and examples of what went wrong."""
        ends: Counter[str] = Counter()
        judged: Counter[str] = Counter()
        examples: list[dict[str, str]] = []
        for asked in self.asked:
            end = self._end(asked, offer)
            ends[end] += 1
            verdict = references.judge(asked, offer) if end == "done" else ""
            if verdict:
                judged[verdict] += 1
            bad = end in ("lost", "cut") or verdict in (
                "wrong",
                "unsteered",
                "misnamed",
                "unjudged",
            )
            if bad and len(examples) < _SHOWN:
                examples.append(
                    {
                        "what": verdict or end,
                        "kind": asked.kind.name,
                        "prompt": asked.prompt,
                        "applied": asked.applied,
                        "text": asked.text,
                        "error": f"{asked.status} {asked.error}",
                    }
                )
        done = [a for a in self.asked if a.end == "done"]
        first = [a.first_at - a.began for a in done]
        whole = [a.ended - a.began for a in done]
        return {
            "requests": len(self.asked),
            "by_end": dict(ends),
            "whole_answers": dict(judged),
            "whole_answers_by_kind": dict(Counter(a.kind.name for a in done)),
            "most_streams_at_once": self.most_open,
            "outages_seconds": [round(until - since, 1) for since, until in self.outages],
            "seconds_to_first_token": _quantiles(first),
            "seconds_to_last_token": _quantiles(whole),
            "examples": examples,
        }

    def _end(self, asked: Asked, offer: Offer) -> str:
        """As `Asked.end`, with "told" split by whether the client had to be refused."""
        if asked.end != "told":
            return asked.end
        # One second for a connection that breaks just before the kill is noted.
        if any(asked.began <= b and asked.ended >= a - 1 for a, b in self.outages):
            return "failed in an outage, told"
        gone = None in offer.allowed(COMES_AND_GOES, asked.began, asked.ended)
        if asked.status == 400 and gone and COMES_AND_GOES in asked.kind.languages:
            return "refused: its profile was unloaded"
        return "lost"


def _quantiles(seconds: Sequence[float]) -> dict[str, float]:
    if not seconds:
        return {}
    values = np.quantile(seconds, [0.5, 0.99])
    return {"median": round(float(values[0]), 3), "p99": round(float(values[1]), 3)}
