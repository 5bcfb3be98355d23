"""The page, from its data."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from profiles.judging.instructions import language_name
from profiles.judging.table import short
from profiles.report.account import ROLES
from profiles.report.layers_section import layers_section
from profiles.report.memories_section import memories_section
from profiles.report.mixing_section import mixing_section
from profiles.report.plots import TOWARDS, draw_plots
from profiles.report.tables import arrange, damage_rows

_TEMPLATES = Path(__file__).parent / "templates"
# Perplexity beyond this factor, either way, gets the deepest colour.
_REACH = 4.0
# Of a profile's corpus, what differs from language to language: in the table of profiles.
_OWN = ("sentences", "tokens")
_CONDITIONS = {
    "bos": "Generated from nothing.",
    "paragraph": "After an English paragraph and a blank line.",
    "mid": "In the middle of an English sentence.",
    "other": "After a paragraph in another language than English and the target.",
    "chat": "An English question in the model's chat template.",
    "translate": "An English sentence to translate, without a word on the language.",
    "answer": "An English passage, and a question that a number in it answers.",
    "denied-paragraph": "After a paragraph in the language to leave.",
    "denied-line": "After a line in the language to leave.",
    "denied-mid": "In the middle of a sentence in the language to leave.",
}
# What is inside the model: sections whose facts may be there, and what the templates show of them.
_INSIDE: Mapping[str, Callable[[Any], dict[str, Any]]] = {
    "layers": layers_section,
    "memories": memories_section,
    "mixing": mixing_section,
}


def render(data: Mapping[str, Any]) -> str:
    """The HTML of the page.

    Args:
        data: see `account`; and, where they were asked for, the facts of `_INSIDE`.
    """
    environment = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"percent": _percent, "ratio": short, "tint": _tint, "json": _json}
    evaluation = data["evaluation"]
    style = (_TEMPLATES / "page.css").read_text(encoding="utf-8")
    return environment.get_template("page.html").render(
        data=data,
        style=Markup(style),
        plots=draw_plots(data),
        roles={role: TOWARDS[role] for role in ROLES},
        conditions={role: arrange(evaluation, role) if evaluation else [] for role in ROLES},
        damage={role: damage_rows(evaluation, role) for role in ROLES} if evaluation else {},
        means={role: _means(data, role) for role in ROLES},
        overlap={kind: _square(pairs) for kind, pairs in data["overlap"].items()},
        provenance={part: _shared(data, part) for part in ("parameters", "corpus", "versions")},
        names=_Names(),
        explained=_CONDITIONS,
        **{name: of(data[name]) if data.get(name) else None for name, of in _INSIDE.items()},
    )


class _Names:
    """English names of languages, looked up as a template does."""

    def get(self, tag: str) -> str | None:
        return language_name(tag)

    def __getitem__(self, tag: str) -> str | None:
        return language_name(tag)


def _means(data: Mapping[str, Any], role: str) -> dict[str, float] | None:
    points = [row["recommended"][role] for row in data["profiles"] if role in row["recommended"]]
    if not points:
        return None
    names = ("success", "perplexity", "repetition")
    return {name: sum(point[name] for point in points) / len(points) for name in names}


def _square(pairs: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Overlaps of pairs, to be looked up either way round."""
    found = {}
    for pair in pairs:
        first, second = pair["languages"]
        found[first, second] = found[second, first] = pair["jaccard"]
    return {
        "tags": [*dict.fromkeys(tag for pair in pairs for tag in pair["languages"])],
        "pairs": found,
    }


def _shared(data: Mapping[str, Any], part: str) -> list[tuple[dict[str, Any], list[str]]]:
    """Each different account of a part of the provenance, with the languages it is of."""
    groups: dict[str, tuple[dict[str, Any], list[str]]] = {}
    for row in data["profiles"]:
        facts = {k: v for k, v in row[part].items() if part != "corpus" or k not in _OWN}
        key = json.dumps(facts, sort_keys=True)
        groups.setdefault(key, (facts, []))[1].append(row["language"])
    return [*groups.values()]


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _percent(share: float) -> str:
    """97, 2.5, 0.4: a digit after the point where it tells."""
    value = 100 * share
    return (
        f"{value:.1f}" if 0 < value < 9.95 and abs(value - round(value)) >= 0.05 else f"{value:.0f}"
    )


def _tint(ratio: float) -> str:
    """Class and depth of a ratio's colour: half and double are equally deep."""
    depth = min(abs(math.log2(ratio)) / math.log2(_REACH), 1.0)
    return f"{'worse' if ratio > 1 else 'better'} {round(10 * depth)}"
