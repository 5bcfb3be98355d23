"""The page's section on context mixing, from what `langsteer contextualize` stored."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from profiles.errors import LangsteerError
from profiles.inside.mixing.scopes import TITLES
from profiles.report.mixing_plot import draw_lines, draw_map, draw_scale

_LISTED = 3


def mixing_section(facts: Mapping[str, Any]) -> dict[str, Any]:
    """What the section's template shows: the facts, their titles, and plots as SVG.

    Args:
        facts: see `profiles.inside.mixing.study`.

    Raises:
        LangsteerError: something is missing from them, or is not what it should be.
    """
    try:
        scopes = [str(scope) for scope in facts["scopes"]]
        passes = [facts["layers"]]
        if facts["steered"]:
            passes.append(facts["steered"]["layers"])
        return {
            "facts": facts,
            "scopes": scopes,
            "titles": {scope: TITLES[scope] for scope in scopes},
            "ratio": Markup(_ratio(scopes, passes)),
            "change": Markup(_change(scopes, facts)),
            "disturbed": Markup(_disturbed(scopes, facts)) if facts["steered"] else None,
            "maps": [*_maps(facts, scopes)],
            "rows": [_row(row, scopes) for row in facts["layers"]],
        }
    except (KeyError, TypeError, ValueError, AttributeError, IndexError) as error:
        raise LangsteerError(
            f"the account of context mixing is damaged ({type(error).__name__}: {error}); write it "
            "anew with `langsteer contextualize MODEL TEXT --out DIR`"
        ) from error


def _ratio(scopes: Sequence[str], passes: Sequence[Any]) -> str:
    lines = {
        scope: [[row["mixing_ratio"][scope] for row in rows] for rows in passes]
        for scope in ("attention", "ff", scopes[-1])
    }
    return draw_lines("mix-r", "Mixing ratio", "mixing ratio", lines)


def _change(scopes: Sequence[str], facts: Mapping[str, Any]) -> str:
    lines = {scope: [[row["change"][scope] for row in facts["layers"]]] for scope in scopes[1:]}
    return draw_lines("mix-c", "Change of the map", "1 − Spearman", lines)


def _disturbed(scopes: Sequence[str], facts: Mapping[str, Any]) -> str:
    rows = facts["steered"]["disturbance"]
    lines = {
        scope: [[row["change"][scope] for row in rows]] for scope in ("attention", "ff", scopes[-1])
    }
    return draw_lines("mix-d", "Change of the map by the edit", "1 − Spearman", lines)


def _maps(facts: Mapping[str, Any], scopes: Sequence[str]) -> Any:
    """By drawn layer: (its number, the scale of its colours, [(caption, svg)])."""
    kinds = [("unsteered", facts["maps"])]
    if facts["steered"]:
        kinds.append(("steered", facts["steered"]["maps"]))
    for n, first in enumerate(facts["maps"]):
        layers = [(kind, maps[n]["scopes"]) for kind, maps in kinds]
        shown = [
            (f"{kind}, {TITLES[scope]}", found[scope])
            for kind, found in layers
            for scope in ("attention", "ff", scopes[-1])
        ]
        most = max(share for _, rows in shown for row in rows for share in row[:-1])
        yield (
            first["layer"],
            Markup(draw_scale(f"mix-s{n}", most)),
            [
                (
                    caption,
                    Markup(
                        draw_map(
                            f"mix-m{n}-{m}",
                            f"Layer {first['layer']}, {caption}: shares of sources by target.",
                            rows,
                            most,
                        )
                    ),
                )
                for m, (caption, rows) in enumerate(shown)
            ],
        )


def _row(row: Mapping[str, Any], scopes: Sequence[str]) -> dict[str, Any]:
    return {
        "layer": row["layer"],
        "ratios": [row["mixing_ratio"][scope] for scope in scopes],
        "changes": [row["change"][scope] for scope in scopes[1:]],
        "first_token": row["first_token"],
        "pairs": {kind: row["pairs"]["ff"][kind][:_LISTED] for kind in ("amplified", "reduced")},
    }
