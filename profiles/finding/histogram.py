"""How a score is spread over a model's neurons, compact enough to keep in a profile. Pure numpy."""

from __future__ import annotations

from typing import Any

import numpy as np

from profiles.profile import Floats

_BINS = 40
_QUANTILES = {"median": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999, "max": 1.0}


def score_histogram(name: str, scores: Floats) -> dict[str, Any]:
    """Quantiles and a histogram of one language's scores, JSON-serialisable.

    Args:
        name: of the score, e.g. "ap".
        scores: float32 of any shape. Scores within 0 and 1 are binned over all of that range, so
            that languages compare; others from the least to the greatest.

    Returns:
        "name"; "quantiles" by name; "histogram" with "edges" (one more than bins) and "counts".
        Values that are not finite are left out; with none left the three lists are empty.
    """
    flat = np.asarray(scores, np.float64).reshape(-1)
    flat = flat[np.isfinite(flat)]
    if not flat.size:
        return {"name": name, "quantiles": {}, "histogram": {"edges": [], "counts": []}}
    low, high = float(flat.min()), float(flat.max())
    span = (0.0, 1.0) if low >= 0 and high <= 1 else (low, high)
    counts, edges = np.histogram(flat, _BINS, span)
    found = np.quantile(flat, [*_QUANTILES.values()])
    return {
        "name": name,
        "quantiles": {k: round(float(v), 4) for k, v in zip(_QUANTILES, found, strict=True)},
        "histogram": {"edges": [round(float(e), 5) for e in edges], "counts": counts.tolist()},
    }
