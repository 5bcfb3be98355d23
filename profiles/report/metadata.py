"""What a profile says of itself, as far as it can be read.

A profile's content hash does not cover its metadata, and other versions write other fields. So each
field is checked by itself: one that is missing is empty, one that is damaged is empty and named.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Annotated, Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError, model_validator

_T = TypeVar("_T")
_MOST = 2000  # entries of a list; what is longer is no calibration of ours, and would fill the page

Share = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[float, Field(gt=0)]


class _Strict(BaseModel):
    model_config = ConfigDict(allow_inf_nan=False, extra="ignore", strict=True)


class _Point(_Strict):
    """See `profiles.learning.frontier.Point`."""

    strength: Positive
    phase: Literal["all", "decode"]
    success: Share
    by_context: dict[str, Share] = Field(default_factory=dict)
    repetition: Share
    bits_per_byte: float | None = None
    perplexity: Positive
    samples: int


class _Calibration(_Strict):
    """See `profiles.learning.frontier.Frontier`."""

    points: Annotated[list[_Point], Field(min_length=1, max_length=_MOST)]
    recommended: Annotated[int, Field(ge=0)]
    rescaled: Positive

    @model_validator(mode="after")
    def _within(self) -> _Calibration:
        if self.recommended >= len(self.points):
            raise ValueError(f"recommends point {self.recommended} of {len(self.points)}")
        return self


class _Step(_Strict):
    step: int
    train: float
    held: float

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        named = isinstance(value, list | tuple) and len(value) == len(cls.model_fields)
        return dict(zip(cls.model_fields, value, strict=True)) if named else value


class _Histogram(_Strict):
    edges: Annotated[list[float], Field(max_length=_MOST)]
    counts: Annotated[list[Annotated[int, Field(ge=0)]], Field(max_length=_MOST)]

    @model_validator(mode="after")
    def _paired(self) -> _Histogram:
        if self.counts and len(self.edges) != len(self.counts) + 1:
            raise ValueError(f"{len(self.edges)} edges for {len(self.counts)} bins")
        if any(low >= high for low, high in zip(self.edges, self.edges[1:], strict=False)):
            raise ValueError("edges do not rise")
        return self


class _Scores(_Strict):
    """See `profiles.finding.histogram.score_histogram`."""

    name: str
    quantiles: dict[str, float] = Field(default_factory=dict)
    histogram: _Histogram


class _Neuron(_Strict):
    layer: int
    neuron: int
    score: float

    @model_validator(mode="before")
    @classmethod
    def _named(cls, value: Any) -> Any:
        named = isinstance(value, list | tuple) and len(value) == len(cls.model_fields)
        return dict(zip(cls.model_fields, value, strict=True)) if named else value


@dataclass(frozen=True, kw_only=True)
class Metadata:
    """A profile's provenance, checked; all of it JSON-serialisable.

    Attributes:
        method: how the edits were made, or "".
        parameters, corpus, versions: as they stand.
        language_neurons: the best detectors, {"layer", "neuron", "score"}.
        scores: see `score_histogram`; None where the profile has none.
        calibrations: by role, a `Frontier` as data.
        curves: by role and stage of learning, [{"step", "train", "held"}].
        unreadable: the fields that are damaged.
    """

    method: str
    parameters: Mapping[str, Any]
    corpus: Mapping[str, Any]
    versions: Mapping[str, Any]
    language_neurons: Sequence[Mapping[str, Any]]
    scores: Mapping[str, Any] | None
    calibrations: Mapping[str, Mapping[str, Any]]
    curves: Mapping[str, Mapping[str, Sequence[Mapping[str, Any]]]]
    unreadable: Sequence[str] = field(default_factory=tuple)


def read_metadata(provenance: Mapping[str, Any], layers: int) -> Metadata:
    """Reads a profile's `provenance`; `layers` are the model's."""
    bad: list[str] = []

    def take(kind: type[_T], value: Any, name: str, default: Any) -> Any:
        if value is None:
            return default
        try:
            found = TypeAdapter(kind).validate_python(value)
        except ValidationError:
            bad.append(name)
            return default
        return TypeAdapter(kind).dump_python(found)

    def part(name: str, kind: type[_T], default: Any) -> Any:
        return take(kind, provenance.get(name), name, default)

    neurons = part("language_neurons", list[_Neuron], [])
    calibrations, curves = {}, {}
    for role, account in part("learning", dict[str, dict[str, Any]], {}).items():
        where = f"learning.{role}"
        if found := take(_Calibration, account.get("calibration"), f"{where}.calibration", None):
            calibrations[role] = found
        stages = {
            name: take(list[_Step], stage.get("curve"), f"{where}.{name}.curve", [])
            for name, stage in account.items()
            if name != "calibration" and isinstance(stage, Mapping)
        }
        curves[role] = {name: steps for name, steps in stages.items() if 0 < len(steps) <= _MOST}
    return Metadata(
        method=part("method", str, ""),
        parameters=part("parameters", dict[str, Any], {}),
        corpus=part("corpus", dict[str, Any], {}),
        versions=part("versions", dict[str, Any], {}),
        language_neurons=[n for n in neurons[:_MOST] if 0 <= n["layer"] < layers],
        scores=part("scores", _Scores, None),
        calibrations=calibrations,
        curves={role: found for role, found in curves.items() if found},
        unreadable=tuple(bad),
    )
