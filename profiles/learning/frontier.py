"""Success against fluency over strengths: what a calibration found, and which point it took."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

# A tenth more perplexity is worth ten points of success; see `utility`.
_PRICE = 1.0
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
        perplexity: of what the unedited model itself writes after held-out paragraphs, under the
            edit over that without, in the target language or in all but the suppressed one. Its
            logarithm estimates the Kullback-Leibler divergence of the two, in nats a token.
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


def utility(success: float, perplexity: float) -> float:
    """Success less the price of fluency, ln(perplexity ratio)."""
    return success - _PRICE * math.log(perplexity)


def choose(points: Sequence[Point]) -> tuple[int, float]:
    """(index, utility) of the recommended among points of one phase, ordered by strength.

    The best utility wins, the weaker of equals. Success is smoothed over neighbouring strengths
    first: a single one is measured on a few dozen outputs.
    """
    rates = [p.success for p in points]
    best, found = -math.inf, 0
    for n, point in enumerate(points):
        near = rates[max(0, n - 1) : n + 2]
        smooth = (sum(near) + rates[n]) / (len(near) + 1)
        value = utility(smooth, point.perplexity)
        if value > best + 1e-9:
            best, found = value, n
    return found, best


def choose_budget(frontiers: Sequence[Frontier]) -> int:
    """Index of the first frontier, by ascending budget, that is about as good as the best."""
    best = max(frontier.utility for frontier in frontiers)
    return next(n for n, f in enumerate(frontiers) if f.utility >= best - _TOLERANCE)


def frontier_of(points: Sequence[Point], late: Sequence[Point]) -> Frontier:
    """The frontier of `points`, phase "all" by strength, with the recommended strength as 1.

    Args:
        points: at least one.
        late: points of phase "decode", in the same units of strength.
    """
    recommended, value = choose(points)
    unit = points[recommended].strength
    phase = "all"
    if late:
        # A single point by itself: no smoothing flatters it.
        useful = max(utility(p.success, p.perplexity) for p in late)
        phase = "decode" if useful > value + _TOLERANCE else "all"
    return Frontier(
        points=tuple(replace(p, strength=round(p.strength / unit, 4)) for p in (*points, *late)),
        recommended=recommended,
        rescaled=unit,
        utility=round(value, 4),
        phase=phase,
    )
