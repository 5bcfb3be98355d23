"""Success against fluency over strengths: what a calibration found, and which point it took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

# Held-out text of the corpus shows a part of what other text pays: a tenth more perplexity is worth
# nineteen points of success; see `utility`.
_TARGET_PRICE = 2.0
# Suppression is on for requests that are about other things: what it costs them weighs more.
_SUPPRESS_PRICE = 5.0
# Success is measured on a few dozen outputs: less is no difference.
_TOLERANCE = 0.02


@dataclass(frozen=True, kw_only=True)
class Point:
    """One strength and what it does; JSON-serialisable with `dataclasses.asdict`.

    Attributes:
        strength: factor on the edit.
        phase: "all" or "decode".
        success: share of outputs in the target language, or out of the suppressed one, that
            are not degenerate either.
        by_context: success after each kind of context.
        repetition: share of outputs that repeat themselves.
        bits_per_byte: of the outputs under the unedited model, over that of natural text in the
            same language; None where nothing was written, and for suppression, whose outputs
            are in many languages.
        perplexity: of held-out text under the edit over that without: text of the target
            language, or of all but the suppressed one.
        samples: outputs judged.
    """

    strength: float
    phase: str
    success: float
    by_context: Mapping[str, float]
    repetition: float
    bits_per_byte: float | None
    perplexity: float
    samples: int


@dataclass(frozen=True, kw_only=True)
class Frontier:
    """The points tried, strengths in units of the recommended one.

    Attributes:
        points: by phase and strength.
        recommended: index into them.
        rescaled: the factor that made the recommended strength 1.
        utility: of the recommended point, as `choose` saw it.
        phase: the one to ask for: "decode" where a point of it is the more useful.
    """

    points: tuple[Point, ...]
    recommended: int
    rescaled: float
    utility: float
    phase: str


def utility(success: float, perplexity: float, role: str) -> float:
    """Success less the price of fluency: price * ln(perplexity ratio)."""
    price = _SUPPRESS_PRICE if role == "suppress" else _TARGET_PRICE
    return success - price * math.log(perplexity)


def choose(points: Sequence[Point], role: str) -> tuple[int, float]:
    """(index, utility) of the recommended among points of one phase, ordered by strength.

    The best utility wins, the weaker of equals. Perplexity is held against the least there is,
    the unedited model's included: an edit learned from text often lowers it, and one that lowers
    it less than a weaker one has cost fluency too. Success is smoothed over neighbouring
    strengths first: a single one is measured on a few dozen outputs.
    """
    rates = [p.success for p in points]
    least = min(1.0, *(p.perplexity for p in points))
    best, found = -math.inf, 0
    for n, point in enumerate(points):
        near = rates[max(0, n - 1) : n + 2]
        smooth = (sum(near) + rates[n]) / (len(near) + 1)
        value = utility(smooth, point.perplexity / least, role)
        if value > best + 1e-9:
            best, found = value, n
    return found, best


def choose_budget(frontiers: Sequence[Frontier]) -> int:
    """Index of the first frontier, by ascending budget, that is about as good as the best."""
    best = max(frontier.utility for frontier in frontiers)
    return next(n for n, f in enumerate(frontiers) if f.utility >= best - _TOLERANCE)


def frontier_of(points: Sequence[Point], late: Sequence[Point], role: str) -> Frontier:
    """The frontier of `points`, phase "all" by strength, with the recommended strength as 1.

    Args:
        points: at least one.
        late: points of phase "decode", in the same units of strength.
        role: "target" or "suppress".
    """
    recommended, value = choose(points, role)
    unit = points[recommended].strength
    phase = "all"
    if late:
        # Against the same least perplexity, and a single point by itself: no smoothing flatters it.
        least = min(1.0, *(p.perplexity for p in points))
        useful = max(utility(p.success, p.perplexity / least, role) for p in late)
        phase = "decode" if useful > value + _TOLERANCE else "all"
    return Frontier(
        points=tuple(replace(p, strength=round(p.strength / unit, 4)) for p in (*points, *late)),
        recommended=recommended,
        rescaled=unit,
        utility=round(value, 4),
        phase=phase,
    )
