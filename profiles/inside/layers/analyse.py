"""A model and parallel text → all that `langsteer layers` finds, as plain data."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import asdict
from typing import Any

import numpy as np

from profiles.inside.layers.contrast import ENDS, contrasts, quarters
from profiles.inside.layers.measure import Options
from profiles.inside.layers.measured import Measured
from profiles.inside.layers.measures import MEASURES
from profiles.inside.layers.readings import HALVES, Readings
from profiles.inside.layers.resample import interval, rounded
from profiles.inside.layers.words import sentence, summary, verdict

FORMAT = 1
FILE = "layers.json"


def analyse(
    model: str, readings: Readings, measures: Sequence[Measured], options: Options
) -> dict[str, Any]:
    """JSON-serialisable: the measures by layer and group with intervals, contrasts and verdicts.

    Args:
        model: its name, for the sentences.
        readings: what was measured.
        measures: see `measure`.
        options: how.

    Returns:
        "measures": {"name", "half", "title", "specific", "groups", "layers": {"value", "low",
        "high"}, "index", "by_group": {group: {"value", "low", "high"}}} and, where the measure
        speaks for specificity and there is a middle, "quarters", "contrasts", "verdict",
        "sentence". "index" is 0 in the layer that is least specific by the measure and 1 in the
        one that is most.
    """
    at = quarters(readings.layers)
    rows = [_row(found) for found in measures]
    judged = [row for row in rows if "verdict" in row]
    return {
        "format": FORMAT,
        "languages": list(readings.languages),
        "lines": readings.lines,
        "tokens": dict(zip(readings.languages, readings.tokens.sum(1).tolist(), strict=True)),
        "layers": readings.layers,
        "units": {half: readings.units(half) for half in HALVES},
        "output_norms": rounded(readings.output_norms),
        "quarters": {name: list(layers) for name, layers in asdict(at).items()},
        "options": asdict(options),
        "measures": rows,
        "summary": summary(model, judged),
        "warnings": _untranslated(measures),
    }


def _row(found: Measured) -> dict[str, Any]:
    measure = MEASURES[found.name]
    row: dict[str, Any] = {
        "name": found.name,
        "half": found.half,
        "title": measure.title,
        "meaning": measure.meaning,
        "specific": measure.specific,
        "groups": list(found.groups),
        "layers": _with_interval(found.name, found.mean, found.mean_draws),
        "by_group": {
            group: _with_interval(found.name, found.value[n], found.draws[:, n])
            for n, group in enumerate(found.groups)
        },
    }
    if measure.specific:
        row["index"] = rounded(_index(measure.specific * found.mean), 4)
    if ends := contrasts(found):
        at = quarters(found.value.shape[1])
        means = {
            name: float(found.mean[list(layers)].mean()) for name, layers in asdict(at).items()
        }
        row |= {
            "quarters": {name: round(mean, 5) for name, mean in means.items()},
            "contrasts": {
                end: {
                    **{k: round(v, 5) if isinstance(v, float) else v for k, v in asdict(c).items()},
                    "outcome": c.outcome,
                }
                for end, c in ((end, ends[end]) for end in ENDS)
            },
            "verdict": verdict(ends),
            "sentence": sentence(found.name, found.half, len(found.groups), means, ends),
        }
    return row


def _with_interval(name: str, value: Any, draws: Any) -> dict[str, Any]:
    measure = MEASURES[name]
    low, high = interval(value, draws)
    return {
        "value": rounded(value),
        "low": rounded(np.maximum(low, measure.low)),
        "high": rounded(np.minimum(high, measure.high)),
    }


def _index(specific: Any) -> Any:
    least, most = specific.min(), specific.max()
    if math.isclose(least, most, abs_tol=1e-12):
        return np.zeros_like(specific)
    return (specific - least) / (most - least)


def _untranslated(measures: Sequence[Measured]) -> list[str]:
    """A warning of pairs whose lines are no more alike than any others: most likely misaligned."""
    odd: list[str] = []
    for found in measures:
        if found.name == "translation-gain" and found.half == "detectors":
            low, _ = interval(found.value.mean(1), found.draws.mean(2))
            odd = [group for group, bound in zip(found.groups, low, strict=True) if bound <= 0]
    if not odd:
        return []
    shown = ", ".join(odd[:6]) + (f" and {len(odd) - 6} more pairs" if len(odd) > 6 else "")
    text = (
        f"{shown}: lines are no more like their translations than like other lines; are the texts "
        "aligned line by line, and does the model know the languages?"
    )
    return [text]
