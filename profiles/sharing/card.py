"""The page that goes with published profiles: README.md, with the Hub's metadata on top. Pure."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from profiles.errors import SharingError
from profiles.judging.instructions import language_name
from profiles.judging.table import method_label
from profiles.report.metadata import read_metadata
from profiles.sharing.artefact import Artefact
from profiles.sharing.figures import ROLES, edits, points
from profiles.sharing.markdown import plain

MARK = "<!-- Written by `langsteer profiles push`, which replaces it. -->"
_TEMPLATES = Path(__file__).parent / "templates"
_LICENCE = re.compile(r"[a-z0-9][a-z0-9.+-]{0,60}")
_REPO = re.compile(r"[\w.-]+/[\w.-]+")
_TITLES = {"target": "Towards the language", "suppress": "Away from it"}


@dataclass(frozen=True, kw_only=True)
class Terms:
    """What only the publisher can say.

    Attributes:
        licence: of the profiles, as the Hub writes it: "apache-2.0", "cc-by-4.0", "other".
        link: where its text is; "other" needs one.
        base_model: the Hub's "owner/name" of the model, or None.
    """

    licence: str
    link: str | None = None
    base_model: str | None = None

    def __post_init__(self) -> None:
        if not _LICENCE.fullmatch(self.licence):
            raise SharingError(
                f"--licence {self.licence!r}: give it as the Hub writes it, in lower case: "
                "apache-2.0, cc-by-4.0, gemma, other"
            )
        if self.licence == "other" and not self.link:
            raise SharingError("--licence other needs --licence-link, where its text is")
        if self.link is not None and not re.fullmatch(r"https://[^\s<>\"']+", self.link):
            raise SharingError(f"--licence-link {self.link!r}: expected an https:// address")
        if self.base_model is not None and not _REPO.fullmatch(self.base_model):
            raise SharingError(f"--base-model {self.base_model!r}: expected owner/name")


@dataclass(frozen=True, kw_only=True)
class Card:
    """What a card is made of.

    Attributes:
        artefacts: all profiles that will be there; of one model.
        terms: see there.
        where: its address, for the commands on it; None for a folder.
        evaluation: what `read_evaluation` gave, or None.
        plots: paths of pictures, by role.
        keys: ids of the keys that signatures there are by.
    """

    artefacts: Sequence[Artefact]
    terms: Terms
    where: str | None = None
    evaluation: Mapping[str, Any] | None = None
    plots: Mapping[str, str] = field(default_factory=dict)
    keys: Sequence[str] = ()

    def render(self) -> str:
        """README.md."""
        environment = Environment(  # Markdown: `plain` escapes, by hand
            loader=FileSystemLoader(_TEMPLATES),
            undefined=StrictUndefined,
            trim_blocks=True,
            lstrip_blocks=True,
            keep_trailing_newline=True,
        )
        environment.filters |= {"plain": plain, "percent": _percent}
        model = self.artefacts[0].profile.model
        return environment.get_template("card.md").render(
            metadata=self._metadata(),
            mark=MARK,
            model=model,
            terms=self.terms,
            where=self.where,
            rows=[_row(artefact) for artefact in self.artefacts],
            roles={r: t for r, t in _TITLES.items() if any(r in p.edits() for p in self._profiles)},
            evaluated=_evaluated(self.evaluation) if self.evaluation else {},
            evaluation=self.evaluation,
            plots=self.plots,
            keys=self.keys,
            signed=[a.profile.language for a in self.artefacts if a.signature is not None],
        )

    @property
    def _profiles(self) -> list[Any]:
        return [artefact.profile for artefact in self.artefacts]

    def _metadata(self) -> str:
        tags = sorted({p.language.partition("-")[0] for p in self._profiles})
        found: dict[str, Any] = {
            "library_name": "langsteer",
            "license": self.terms.licence,
            "language": tags,
            "tags": ["langsteer", "steering", "language-steering"],
        }
        if self.terms.link:
            found["license_link"] = self.terms.link
        if self.terms.base_model:
            found["base_model"] = self.terms.base_model
        return str(yaml.safe_dump(found, sort_keys=True, allow_unicode=True))


def _row(artefact: Artefact) -> dict[str, Any]:
    profile = artefact.profile
    metadata = read_metadata(profile.provenance, profile.model.layers)
    found, changed = points(profile), edits(profile)
    return {
        "language": profile.language,
        "name": language_name(profile.language) or "",
        "version": profile.version,
        "sha256": artefact.sha256,
        "file": artefact.name,
        "created": artefact.created,
        "method": metadata.method,
        "corpus": metadata.corpus.get("source", ""),
        "sentences": metadata.corpus.get("sentences", ""),
        "langsteer": metadata.versions.get("langsteer", ""),
        "edits": {role: changed.get(role, "none") for role in ROLES},
        "points": {role: found.get(role) for role in ROLES},
    }


def _evaluated(evaluation: Mapping[str, Any]) -> dict[str, list[dict[str, Any]]]:
    """By role, rows of the means over languages: condition, method, main measure, repetition."""
    out: dict[str, list[dict[str, Any]]] = {}
    for role, main in (("target", "success"), ("suppress", "denied")):
        rows = [
            {
                "condition": mean["condition"],
                "method": method_label(mean),
                "main": mean[main],
                "repetition": mean["repetition"],
                "languages": len(mean["languages"]),
            }
            for mean in evaluation["averages"]
            if mean["role"] == role and mean[main] and mean["repetition"]
        ]
        if rows:
            out[role] = rows
    return out


def _percent(share: float) -> str:
    return f"{100 * share:.0f}"
