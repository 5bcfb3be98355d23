from __future__ import annotations

import json

import numpy as np

from profiles.finding.histogram import score_histogram


def test_every_score_is_counted_once() -> None:
    scores = np.array([[0.0, 0.01, 0.5], [0.51, 0.99, 1.0]], np.float32)
    found = score_histogram("ap", scores)
    edges, counts = found["histogram"]["edges"], found["histogram"]["counts"]
    assert (edges[0], edges[-1], len(edges)) == (0.0, 1.0, len(counts) + 1)
    assert (sum(counts), counts[0], counts[20], counts[-1]) == (6, 2, 2, 2)
    assert found["quantiles"]["max"] == 1.0
    assert found["quantiles"]["median"] == 0.505
    assert len(json.dumps(found)) < 900


def test_scores_of_any_range_and_none() -> None:
    found = score_histogram("difference", np.array([-3, 7, np.nan, np.inf], np.float32))
    assert (found["histogram"]["edges"][0], found["histogram"]["edges"][-1]) == (-3, 7)
    assert sum(found["histogram"]["counts"]) == 2
    assert sum(score_histogram("x", np.full(3, 5, np.float32))["histogram"]["counts"]) == 3
    empty = score_histogram("x", np.array([np.nan], np.float32))
    assert empty == {"name": "x", "quantiles": {}, "histogram": {"edges": [], "counts": []}}
