"""An evaluation from its file, checked for what the page relies on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

from profiles.errors import LangsteerError
from profiles.judging.record import FILE, FORMAT
from profiles.profile import ModelIdentity, Profile
from profiles.report.checked import read_checked

Role = Literal["target", "suppress"]


class _Strict(BaseModel):
    """Fields the page does not use may be there and stay out."""

    model_config = ConfigDict(allow_inf_nan=False, extra="ignore", strict=True)


class _Measure(_Strict):
    value: float
    low: float | None = None
    high: float | None = None
    count: int | None = None

    @model_validator(mode="before")
    @classmethod
    def _plain(cls, value: Any) -> Any:
        """Means come without an interval."""
        number = isinstance(value, int | float) and not isinstance(value, bool)
        return {"value": value} if number else value


class _Sample(_Strict):
    prompt: str
    text: str


class _Measures(_Strict):
    role: Role
    condition: str
    method: str
    strength: float | None
    success: _Measure | None = None
    denied: _Measure | None = None
    second: _Measure | None = None
    repetition: _Measure | None = None
    lpr: _Measure | None = None
    wpr: _Measure | None = None
    bits_per_byte: _Measure | None = None
    bits_ratio: _Measure | None = None
    bits_ratio_own: _Measure | None = None
    bleu: _Measure | None = None
    chrf: _Measure | None = None
    meaning: _Measure | None = None
    answer: _Measure | None = None
    kept: _Measure | None = None


class _Cell(_Measures):
    language: str
    count: int
    languages: dict[str, int] = Field(default_factory=dict)
    samples: list[_Sample] = Field(default_factory=list)


class _Average(_Measures):
    languages: list[str]
    languages_found: dict[str, int] = Field(default_factory=dict)


class _Ratio(_Measure):
    value: Annotated[float, Field(gt=0)]


class _Damage(_Strict):
    role: Role
    method: str
    strength: float | None
    language: str
    ratios: dict[str, _Ratio]


class _Text(_Strict):
    source: str
    sha256: str = ""


class _Evaluation(_Strict):
    model: dict[str, Any]
    server: str | None = None
    text: _Text
    options: dict[str, Any]
    profiles: dict[str, str]
    neurons_edited: dict[str, Any] = Field(default_factory=dict)
    versions: dict[str, Any] = Field(default_factory=dict)
    cells: list[_Cell]
    damage: list[_Damage] = Field(default_factory=list)
    averages: list[_Average] = Field(default_factory=list)
    skipped: list[dict[str, Any]] = Field(default_factory=list)
    seconds: float | None = None


def read_evaluation(path: Path, model: ModelIdentity) -> dict[str, Any]:
    """What `langsteer evaluate` wrote, as data; measures are {"value", "low", "high", "count"}.

    Args:
        path: evaluation.json, or the folder that holds it.
        model: the model it must be of.

    Raises:
        LangsteerError: it is missing, damaged, of another format or of another model.
    """
    file = path / FILE if path.is_dir() else path
    evaluation = read_checked(
        file,
        _Evaluation,
        FORMAT,
        what="evaluation",
        missing=f"make one with `langsteer evaluate {model.name} --profiles DIR --out {path}`",
        again="evaluate anew",
    )
    for name in ("weights", "tokenizer"):
        mine, its = getattr(model, name), evaluation.model.get(name)
        if its is not None and its != mine:
            raise LangsteerError(
                f"{file} evaluates {evaluation.model.get('name')}, the profiles are of {model.name}"
                f" ({name} {mine[:12]}, evaluated {str(its)[:12]})"
            )
    return {"file": str(file), **evaluation.model_dump()}


def mismatches(evaluation: Mapping[str, Any], profiles: Sequence[Profile]) -> list[str]:
    """What keeps an evaluation from being one of these very profiles, a sentence each."""
    out = []
    if "weights" not in evaluation["model"]:
        name = evaluation["model"].get("name")
        out.append(f"The evaluation asked a server for model {name!r}: its weights are unknown.")
    judged = evaluation["profiles"]
    other = [
        f"{p.language} (judged {judged[p.language]}, here {p.version})"
        for p in profiles
        if p.language in judged and judged[p.language] != p.version
    ]
    if other:
        out.append(f"The evaluation is of other versions of {', '.join(other)}: evaluate anew.")
    here = {p.language for p in profiles}
    if missing := sorted(here - {*judged}):
        out.append(f"The evaluation does not cover {', '.join(missing)}.")
    if gone := sorted({*judged} - here):
        out.append(f"The evaluation covers {', '.join(gone)} too, of which there is no profile.")
    return out
