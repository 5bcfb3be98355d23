"""Maps as plain values, for JSON: by layer, and the steered pass against the unsteered one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from profiles.inside.mixing.maps import Array, LayerMaps
from profiles.inside.mixing.measures import (
    change,
    context_by_language,
    edit_share,
    mixing_ratio,
    pairs,
    shares,
)
from profiles.inside.mixing.text import MixedText, known

# Longer texts' maps are in the arrays' file alone.
SHOWN_TOKENS = 64


def layer_facts(maps: LayerMaps, text: MixedText, count: int) -> dict[str, Any]:
    """One layer: how its map changes from scope to scope, and what its feed-forward does to pairs.

    Args:
        count: pairs of each kind.
    """
    scopes = maps.scopes
    steps = [change(maps.norms[n - 1], maps.norms[n]) if n else None for n in range(len(scopes))]
    ff = scopes.index("ff")
    return {
        "layer": maps.layer,
        "change": _named(scopes, steps),
        "change_from_attention": _named(scopes, [change(maps.norms[0], m) for m in maps.norms]),
        # Without the first token: it has no context.
        "mixing_ratio": _named(scopes, mixing_ratio(maps)[:, 1:].mean(-1)),
        "pairs": {
            "ff": _pairs(maps.norms[ff - 1], maps.norms[ff], text, count),
            "block": _pairs(maps.norms[0], maps.norms[-1], text, count),
        },
        "context_by_language": {
            tag: _short(share)
            for tag, share in context_by_language(maps.norms[-1], text.languages).items()
        },
        # Of what reaches a target from its context, how much is the first token's.
        "first_token": _short(float(shares(np.tril(maps.norms[-1], -1))[1:, 0].mean())),
        "completeness": {name: float(f"{off:.2g}") for name, off in maps.completeness.items()},
    }


def disturbance(before: LayerMaps, after: LayerMaps, text: MixedText) -> dict[str, Any]:
    """What an edit does to one layer's mixing, the text being the same.

    "change" compares the same scope with and without the edit. A layer's scope "attention" sees the
    edits of earlier layers only: its own come with the feed-forward network.
    """
    scopes = before.scopes
    ratios = [mixing_ratio(maps)[:, 1:].mean(-1) for maps in (before, after)]
    languages = {}
    for tag in known(text.languages):
        columns = np.array([language == tag for language in text.languages])
        context = [
            context_by_language(maps.norms[-1], text.languages)[tag] for maps in (before, after)
        ]
        found = change(before.norms[-1], after.norms[-1], columns)
        languages[tag] = {
            "change": None if found is None else _short(found),
            "share_before": _short(context[0]),
            "share_after": _short(context[1]),
        }
    return {
        "layer": before.layer,
        "change": _named(
            scopes, [change(*both) for both in zip(before.norms, after.norms, strict=True)]
        ),
        "mixing_before": _named(scopes, ratios[0]),
        "mixing_after": _named(scopes, ratios[1]),
        "edit_share": _named(scopes, edit_share(after).mean(-1)),
        "languages": languages,
    }


def shown_maps(maps: LayerMaps) -> dict[str, Any]:
    """A layer's maps for drawing: rows of `shares`, up to the diagonal, by scope."""
    return {
        "layer": maps.layer,
        "scopes": {
            name: [
                [float(f"{value:.3g}") for value in row[: n + 1]]
                for n, row in enumerate(shares(norms))
            ]
            for name, norms in zip(maps.scopes, maps.norms, strict=True)
        },
    }


def _pairs(before: Array, after: Array, text: MixedText, count: int) -> dict[str, Any]:
    named = {}
    for kind, found in zip(("amplified", "reduced"), pairs(before, after, count), strict=True):
        named[kind] = [
            {
                "target": i,
                "source": j,
                "tokens": [text.tokens[i], text.tokens[j]],
                "before": _short(one),
                "after": _short(other),
            }
            for i, j, one, other in found
        ]
    return named


def _named(scopes: Sequence[str], values: Sequence[float | None] | Array) -> dict[str, Any]:
    return {
        name: None if value is None else _short(float(value))
        for name, value in zip(scopes, values, strict=True)
    }


def _short(value: float) -> float:
    return round(value, 4)
