"""The measures of one cell: outputs of one method, in one condition, for one language. Pure."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from profiles.judging.confusion import pass_rates
from profiles.judging.identify import UNKNOWN, identify, primary
from profiles.judging.interval import Interval, mean, ratio, wilson
from profiles.judging.judge import Verdict


def measure(
    verdicts: Sequence[Verdict],
    language: str,
    *,
    natural: Mapping[str, float],
    among: Sequence[str],
    denied: bool = False,
) -> dict[str, Any]:
    """All measures of one cell that need no reference, as JSON-serialisable data.

    Args:
        verdicts: the outputs.
        language: the target, or, where `denied`, the language to leave.
        natural: bits per byte of natural text by primary tag; may lack languages.
        among: the languages at hand, see `identify`.
        denied: count the outputs in `language`, degenerate or not, instead of the successes.
    """
    wanted, count = primary(language), len(verdicts)
    repetitive = wilson(sum(v.repetitive for v in verdicts), count)
    second = wilson(sum(v.second == wanted for v in verdicts), count)
    out: dict[str, Any] = {
        "count": count,
        "second": _plain(second),
        "repetition": _plain(repetitive),
        "length": _plain(mean([len(v.text) for v in verdicts])),
        "languages": dict(Counter(v.language for v in verdicts).most_common()),
        **_fluency(verdicts, wanted, natural, denied),
    }
    if denied:
        found = wilson(sum(v.language == wanted for v in verdicts), count)
        return {"denied": _plain(found), **out}
    rates = pass_rates([v.text for v in verdicts], language, lambda line: identify(line, among))
    return {
        "success": _plain(wilson(sum(v.success(wanted) for v in verdicts), count)),
        **out,
        "lpr": _plain(rates.line),
        "lpr_judged": rates.judged,
        "wpr": _plain(rates.word),
    }


def _fluency(
    verdicts: Sequence[Verdict], wanted: str, natural: Mapping[str, float], denied: bool
) -> dict[str, Any]:
    costs = [(v, v.bits) for v in verdicts if v.bits is not None]
    bits = [b for _, b in costs]
    sizes = [v.bytes for v, _ in costs]
    own = [(b, v.bytes * natural[v.language]) for v, b in costs if v.language in natural]
    against = None
    if wanted in natural and not denied:
        against = ratio(bits, [size * natural[wanted] for size in sizes])
    return {
        "bits_per_byte": _plain(ratio(bits, sizes)),
        "bits_ratio": _plain(against),
        "bits_ratio_own": _plain(ratio([b for b, _ in own], [n for _, n in own])),
    }


def by_source(
    verdicts: Sequence[Verdict], sources: Sequence[str | None], language: str
) -> dict[str, Any]:
    """Success by the language of the prompt."""
    out = {}
    for source in dict.fromkeys(sources):
        group = [v for v, s in zip(verdicts, sources, strict=True) if s == source]
        share = wilson(sum(v.success(language) for v in group), len(group))
        out[source or UNKNOWN] = _plain(share)
    return out


def averages(cells: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Means over languages, by role, condition, method and strength.

    Cells of a group are of one size, so shares are pooled: Wilson's interval of all outputs
    together. It does not include how much languages differ. Other measures are plain means.
    """
    groups: dict[tuple[Any, ...], list[Mapping[str, Any]]] = {}
    for cell in cells:
        key = tuple(cell[k] for k in ("role", "condition", "method", "strength"))
        groups.setdefault(key, []).append(cell)
    out = []
    for (role, condition, method, strength), group in groups.items():
        found: dict[str, Any] = {
            "role": role,
            "condition": condition,
            "method": method,
            "strength": strength,
            "languages": [cell["language"] for cell in group],
        }
        for name in ("success", "denied", "second", "repetition", "lpr", "wpr", "answer", "kept"):
            found[name] = _plain(_pooled([cell.get(name) for cell in group]))
        for name in ("bits_per_byte", "bits_ratio", "bits_ratio_own", "bleu", "chrf", "meaning"):
            values = [cell[name]["value"] for cell in group if cell.get(name)]
            found[name] = round(sum(values) / len(values), 4) if values else None
        seen = Counter[str]()
        for cell in group:
            seen.update(cell.get("languages", {}))
        found["languages_found"] = dict(seen.most_common())
        out.append(found)
    return out


def _pooled(shares: Sequence[Mapping[str, Any] | None]) -> Interval | None:
    there = [share for share in shares if share]
    hits = sum(round(share["value"] * share["count"]) for share in there)
    return wilson(hits, sum(share["count"] for share in there))


def _plain(interval: Interval | None) -> dict[str, Any] | None:
    return interval.rounded() if interval else None
