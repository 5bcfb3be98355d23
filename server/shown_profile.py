"""A profile as the endpoints show it: what it edits, what that does, where it came from.

What a file's maker wrote into its provenance is checked by nobody before it is here: what is not
of the expected form is left out.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any, TypeVar

from pydantic import BaseModel, ValidationError

from profiles.profile import Edit
from profiles.summary import edited
from server.catalog import Entry
from server.schemas.calibrated import CalibratedPoint, RecommendedPoint
from server.schemas.origin import Origin
from server.schemas.profile import EditSummary, ProfileSummary
from server.schemas.profile_detail import EditDetail, ProfileDetail

_Model = TypeVar("_Model", bound=BaseModel)


def summary(entry: Entry, *, pinned: bool, aliases: Sequence[str] = ()) -> ProfileSummary:
    """One line of the list."""
    edits = {role: _summary(edit) for role, edit in entry.profile.edits().items()}
    return ProfileSummary.model_validate({**_facts(entry, pinned, aliases), "edits": edits})


def detail(entry: Entry, *, pinned: bool, aliases: Sequence[str] = ()) -> ProfileDetail:
    """All there is to say."""
    edits = {
        role: _detail(entry, role, _summary(edit)) for role, edit in entry.profile.edits().items()
    }
    origin = _origin(entry.profile.provenance)
    return ProfileDetail.model_validate(
        {**_facts(entry, pinned, aliases), "edits": edits, "provenance": origin}
    )


def _facts(entry: Entry, pinned: bool, aliases: Sequence[str]) -> dict[str, Any]:
    profile = entry.profile
    method = profile.provenance.get("method")
    return {
        "id": entry.label,
        "object": "steering.profile",
        "name": entry.name,
        "version": profile.version,
        "language": profile.language,
        "content_hash": profile.content_hash,
        "model": profile.model.name,
        "method": method if isinstance(method, str) else None,
        "created": entry.created,
        "loaded_at": entry.loaded_at,
        "pinned": pinned,
        "aliases": [*aliases],
    }


def _summary(edit: Edit) -> EditSummary:
    per_layer: dict[int, int] = {}
    for layer in edit.neurons.layer.tolist() if edit.neurons else ():
        per_layer[layer] = per_layer.get(layer, 0) + 1
    return EditSummary(
        neurons=sum(per_layer.values()),
        neurons_per_layer={str(layer): per_layer[layer] for layer in sorted(per_layer)},
        offset_layers=sorted(edit.offsets.layer.tolist()) if edit.offsets else [],
        memory_layers=sorted(edit.memories.layer.tolist()) if edit.memories else [],
    )


def _detail(entry: Entry, role: str, known: EditSummary) -> EditDetail:
    found = edited(entry.profile, role)
    # In the order of the file's own list of layers, which need not be sorted.
    lists: dict[str, list[float]] = {}
    for kind, names in (
        ("offset", ("offset_norms",)),
        ("memory", ("memory_norms", "memory_key_norms", "memory_biases")),
    ):
        layers = found.get(f"{kind}_layers", [])
        order = sorted(range(len(layers)), key=layers.__getitem__)
        lists |= {name: [found[name][n] for n in order] if layers else [] for name in names}
    calibration = _at(entry.profile.provenance, "learning", role, "calibration")
    listed = _at(calibration, "points")
    points = listed if isinstance(listed, list) else []
    known_points = [each for point in points if (each := _kept(CalibratedPoint, point))]
    return EditDetail(
        **known.model_dump(),
        offset_norms=lists["offset_norms"],
        memory_norms=lists["memory_norms"],
        memory_key_norms=lists["memory_key_norms"],
        memory_biases=lists["memory_biases"],
        recommended=_recommended(calibration, points),
        frontier=known_points,
    )


def _recommended(calibration: Any, points: list[Any]) -> RecommendedPoint | None:
    index = _at(calibration, "recommended")
    if type(index) is not int or not 0 <= index < len(points):
        return None
    point = points[index]
    advised = _at(calibration, "phase") or _at(point, "phase")
    return _kept(RecommendedPoint, point, advised_phase=advised)


def _origin(provenance: Mapping[str, Any]) -> Origin:
    corpus = _at(provenance, "corpus")
    said = {
        "corpus": _public(_at(corpus, "source")),
        "corpus_sha256": _at(corpus, "sha256"),
        "languages": _at(corpus, "languages"),
        "sentences": _at(corpus, "sentences"),
        "tokens": _at(corpus, "tokens"),
        "seed": _at(provenance, "parameters", "seed"),
    }
    good = {key: value for key, value in said.items() if _kept(Origin, {key: value})}
    return Origin.model_validate(good)


def _public(source: Any) -> Any:
    """The name of a corpus; of a place on the disk of whoever made the profile, its last part."""
    local = isinstance(source, str) and re.match(r"[/.~\\]|[A-Za-z]:[\\/]", source)
    return re.split(r"[\\/]", source.rstrip("\\/"))[-1] if local else source


def _at(value: Any, *keys: str) -> Any:
    """The value under a path of keys; None where there is none."""
    for key in keys:
        value = value.get(key) if isinstance(value, Mapping) else None
    return value


def _kept(model: type[_Model], value: Any, **more: Any) -> _Model | None:
    """The model's fields of a mapping, or None where one is not what it has to be."""
    if not isinstance(value, Mapping):
        return None
    fields = {key: value[key] for key in model.model_fields if key in value}
    try:
        return model.model_validate({**fields, **more}, strict=True)
    except (ValidationError, RecursionError):  # it may be nested as deep as JSON is read
        return None
