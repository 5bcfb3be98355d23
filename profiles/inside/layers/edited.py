"""In which layers profiles edit, to set beside where a model is specific to languages. Pure."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.inside.layers.ranks import standard_ranks
from profiles.profile import Profile
from profiles.summary import edited

_KINDS = ("neurons", "offset", "memory")
ROLES = ("target", "suppress")


def edits_by_layer(
    profiles: Sequence[Profile], norms: NDArray[np.floating[Any]], like: Sequence[float]
) -> list[dict[str, Any]]:
    """By role and kind of edit, how the profiles' edits are spread over the layers.

    Of neurons, a layer's share of their number; of offsets and memories, its share of the lengths
    of what they add, each over the length of what the FFN itself puts out there. Shares are means
    over the profiles that have such edits.

    Args:
        profiles: of one model.
        norms: [layers], see `Readings.output_norms`.
        like: [layers], another distribution, the best detectors', to compare with.

    Returns:
        {"role", "kind", "languages", "share": [layers], "correlation": Spearman's, over layers,
        with `like`} each.
    """
    out = []
    for role in ROLES:
        for kind in _KINDS:
            found = {}
            for profile in profiles:
                amount = _amount(profile, role, kind)
                if amount is not None and kind != "neurons":
                    amount = amount / np.maximum(norms, np.finfo(np.float64).tiny)
                if amount is not None and amount.sum() > 0:
                    found[profile.language] = amount / amount.sum()
            if found:
                share = np.mean([*found.values()], axis=0)
                ranks = standard_ranks(np.stack([share, np.asarray(like)]).astype(np.float32))
                out.append(
                    {
                        "role": role,
                        "kind": kind,
                        "languages": [*found],
                        "share": np.round(share, 5).tolist(),
                        "correlation": round(float(ranks[0] @ ranks[1]), 4),
                    }
                )
    return out


def _amount(profile: Profile, role: str, kind: str) -> Any:
    if role not in profile.edits():
        return None
    facts = edited(profile, role)
    if kind == "neurons":
        counts = facts.get("neurons_per_layer")
        return None if counts is None else np.array(counts, np.float64)
    if f"{kind}_layers" not in facts:
        return None
    amount = np.zeros(profile.model.layers)
    np.add.at(amount, facts[f"{kind}_layers"], facts[f"{kind}_norms"])
    return amount
