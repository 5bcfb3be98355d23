"""What two profiles differ in. Pure."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict
from typing import Any

import numpy as np

from profiles.profile import Edit, Floats, MemoryEdit, NeuronEdit, OffsetEdit, Profile
from profiles.sharing.figures import ROLES, points

_FIGURES = ("strength", "phase", "success", "perplexity", "repetition", "samples")
# Too long to be read, and told by the figures or the edits.
_LEFT_OUT = ("learning", "scores", "language_neurons")
_Pair = list[Any]


def difference(one: Profile, other: Profile) -> dict[str, Any]:
    """JSON-serialisable account; pairs are [of one, of other].

    "edits" has, by role, for neurons how many were added, removed and changed, by layer too, and
    the norm of the difference of what they add and scale; for offsets and memories by layer the
    norms of both values, that of their difference, and the cosine between them. Vectors of
    different sizes are not compared.
    """
    models = (asdict(one.model), asdict(other.model))
    return {
        "languages": [one.language, other.language],
        "versions": [one.version, other.version],
        "same": one.content_hash == other.content_hash,
        "model": _different(*models),
        "metadata": _different(_told(one), _told(other)),
        "figures": _figures(one, other),
        "edits": {
            role: _edits(one.edits().get(role), other.edits().get(role))
            for role in ROLES
            if role in one.edits() or role in other.edits()
        },
    }


def _told(profile: Profile) -> dict[str, Any]:
    kept = {k: v for k, v in profile.provenance.items() if k not in _LEFT_OUT}
    return dict(_flat(kept, ""))


def _flat(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping) and value:
        for key, item in value.items():
            yield from _flat(item, f"{path}.{key}" if path else str(key))
    else:
        yield path, value


def _different(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, _Pair]:
    names = [*one, *(name for name in other if name not in one)]
    pairs = {name: [one.get(name), other.get(name)] for name in names}
    return {name: pair for name, pair in pairs.items() if pair[0] != pair[1]}


def _figures(one: Profile, other: Profile) -> dict[str, dict[str, _Pair]]:
    mine, its = points(one), points(other)
    return {
        role: {
            name: [mine.get(role, {}).get(name), its.get(role, {}).get(name)] for name in _FIGURES
        }
        for role in ROLES
        if role in mine or role in its
    }


def _edits(one: Edit | None, other: Edit | None) -> dict[str, Any]:
    out: dict[str, Any] = {}
    before, after = one.neurons if one else None, other.neurons if other else None
    if before or after:
        out["neurons"] = _neurons(before, after)
    for kind in ("offsets", "memories"):
        pair = tuple(getattr(edit, kind) if edit else None for edit in (one, other))
        if pair[0] or pair[1]:
            out[kind] = _vectors(*pair)
    return out


def _neurons(one: NeuronEdit | None, other: NeuronEdit | None) -> dict[str, Any]:
    """Of two sets of neuron edits, joined by layer and neuron; one that is not there adds 0."""
    mine, its = _by_neuron(one), _by_neuron(other)
    by_layer: dict[int, dict[str, int]] = {}
    square = 0.0
    for place in sorted(mine.keys() | its.keys()):
        before, after = mine.get(place), its.get(place)
        step = np.subtract(after or (0.0, 0.0), before or (0.0, 0.0))
        square += float(step @ step)
        what = "added" if before is None else "removed" if after is None else "changed"
        if what == "changed" and before == after:
            what = "same"
        counts = by_layer.setdefault(place[0], {"added": 0, "removed": 0, "changed": 0, "same": 0})
        counts[what] += 1
    totals = {
        what: sum(counts[what] for counts in by_layer.values())
        for what in ("added", "removed", "changed", "same")
    }
    return {
        **totals,
        "difference_norm": round(square**0.5, 6),
        "by_layer": [{"layer": layer, **counts} for layer, counts in by_layer.items()],
    }


def _by_neuron(edit: NeuronEdit | None) -> dict[tuple[int, int], tuple[float, float]]:
    if edit is None:
        return {}
    rows = zip(edit.layer, edit.neuron, edit.add, edit.scale, strict=True)
    return {(int(a), int(b)): (float(add), float(scale)) for a, b, add, scale in rows}


def _vectors(
    one: OffsetEdit | MemoryEdit | None, other: OffsetEdit | MemoryEdit | None
) -> dict[str, Any]:
    """Of two sets of vectors a layer; a memory's key and bias count as changed, unmeasured."""
    mine, its = _by_layer(one), _by_layer(other)
    rows = []
    for layer in sorted(mine.keys() | its.keys()):
        before, after = mine.get(layer), its.get(layer)
        row: dict[str, Any] = {
            "layer": layer,
            "norms": [_norm(vectors[0] if vectors else None) for vectors in (before, after)],
            "same": before is not None
            and after is not None
            and all(np.array_equal(a, b) for a, b in zip(before, after, strict=True)),
        }
        if before and after and before[0].shape == after[0].shape:
            row["difference_norm"] = _norm(after[0] - before[0])
            scale = float(np.linalg.norm(before[0]) * np.linalg.norm(after[0]))
            row["cosine"] = round(float(before[0] @ after[0]) / scale, 6) if scale else None
        rows.append(row)
    return {
        "added": len(its.keys() - mine.keys()),
        "removed": len(mine.keys() - its.keys()),
        "changed": sum(
            row["layer"] in mine and row["layer"] in its and not row["same"] for row in rows
        ),
        "by_layer": rows,
    }


def _by_layer(edit: OffsetEdit | MemoryEdit | None) -> dict[int, tuple[Floats, ...]]:
    if edit is None:
        return {}
    rest = (edit.key, edit.bias) if isinstance(edit, MemoryEdit) else ()
    return {
        int(layer): (edit.value[n], *(np.atleast_1d(part[n]) for part in rest))
        for n, layer in enumerate(edit.layer)
    }


def _norm(vector: Floats | None) -> float | None:
    return None if vector is None else round(float(np.linalg.norm(vector)), 6)
