"""What `langsteer layers` stored, checked for what the page relies on."""

from __future__ import annotations

from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from profiles.errors import LangsteerError
from profiles.inside.layers.analyse import FILE, FORMAT
from profiles.profile import ModelIdentity
from profiles.report.checked import check_model, read_checked

Half = Literal["detectors", "combinators"]


class _Strict(BaseModel):
    """Fields the page does not use may be there and stay out."""

    model_config = ConfigDict(allow_inf_nan=False, extra="ignore", strict=True)


class _Contrast(_Strict):
    value: float
    low: float
    high: float
    groups_for: int
    outcome: Literal["more", "less", "undecided"]


class _Quarters(_Strict):
    input: float
    middle: float
    output: float


class _Contrasts(_Strict):
    both: _Contrast
    input: _Contrast
    output: _Contrast


class _ByLayer(_Strict):
    value: list[float]
    low: list[float]
    high: list[float]


class _Measure(_Strict):
    name: str
    half: Half
    title: str
    meaning: str
    specific: Literal[-1, 0, 1]
    groups: list[str]
    layers: _ByLayer
    index: list[float] | None = None
    quarters: _Quarters | None = None
    contrasts: _Contrasts | None = None
    verdict: str | None = None


class _Corpus(_Strict):
    source: str
    sha256: str = ""


class _Layers(_Strict):
    model: dict[str, Any]
    corpus: _Corpus
    languages: list[str]
    lines: int
    layers: int = Field(ge=1)
    quarters: dict[Literal["input", "middle", "output"], list[int]]
    options: dict[str, Any]
    measures: list[_Measure]
    summary: list[str]
    warnings: list[str] = Field(default_factory=list)
    versions: dict[str, Any] = Field(default_factory=dict)


def read_layers_file(path: Path, model: ModelIdentity) -> dict[str, Any]:
    """What `langsteer layers --out` wrote, as data.

    Args:
        path: layers.json, or the folder that holds it.
        model: the model it must be of.

    Raises:
        LangsteerError: it is missing, damaged, of another format or of another model.
    """
    file = path / FILE if path.is_dir() else path
    folder = path.parent if path.suffix == ".json" else path
    again = f"run `langsteer layers {model.name} --out {folder}` anew"
    layers = read_checked(file, _Layers, FORMAT, what="layers in", missing=again, again=again)
    for row in layers.measures:
        of = row.layers
        lists = [of.value, of.low, of.high, *([row.index] if row.index is not None else [])]
        if any(len(values) != layers.layers for values in lists):
            raise LangsteerError(
                f"{file} is damaged: {row.half}, {row.name} is not of {layers.layers} layers; "
                f"{again}"
            )
    check_model(file, layers.model, model, again=again)
    return {"file": str(file), **layers.model_dump()}
