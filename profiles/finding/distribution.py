"""Where in a model the units with the highest, or the lowest, scores are. Pure numpy."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.profile import Floats


def distribution(
    scores: Floats, chosen: NDArray[np.integer], parts: Sequence[tuple[str, int]]
) -> dict[str, Any]:
    """How `chosen` units spread over layers and projections, JSON-serialisable.

    Args:
        scores: [layers, units] of one language.
        chosen: [n] of the flat units, n >= 1, in the order they are to be listed in.
        parts: (projection, width) of what a layer's units are made of, see `Activations.parts`.

    Returns:
        "per_layer": counts; "share_per_layer" and "share_per_projection" (by name): of the
        chosen, in 0..1; "units": [layer, projection, index within it, score] of each.

    Raises:
        ValueError: the parts' widths do not add up to a layer's units.
    """
    layers, units = scores.shape
    ends = np.cumsum([width for _, width in parts])
    if ends[-1] != units:
        raise ValueError(f"parts of {ends[-1]} units, a layer has {units}")
    layer, unit = np.divmod(chosen, units)
    part = np.searchsorted(ends, unit, side="right")
    index = unit - (ends - [width for _, width in parts])[part]
    per_layer = np.bincount(layer, minlength=layers)
    per_part = np.bincount(part, minlength=len(parts))
    names = [path for path, _ in parts]
    values = scores.reshape(-1)[chosen]
    return {
        "per_layer": per_layer.tolist(),
        "share_per_layer": [round(n / len(chosen), 4) for n in per_layer.tolist()],
        "share_per_projection": {
            name: round(n / len(chosen), 4)
            for name, n in zip(names, per_part.tolist(), strict=True)
        },
        "units": [
            [int(a), names[int(b)], int(c), round(float(d), 4)]
            for a, b, c, d in zip(layer, part, index, values, strict=True)
        ],
    }
