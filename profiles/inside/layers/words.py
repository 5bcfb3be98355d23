"""What contrasts say, in sentences. Pure."""

from __future__ import annotations

import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any, Literal

from profiles.inside.layers.contrast import Contrast, Outcome
from profiles.inside.layers.measures import MEASURES

Verdict = Literal[
    "holds",
    "output only",
    "input only",
    "output",
    "input",
    "not output",
    "not input",
    "reversed",
    "undecided",
]
# In the order in which they are told.
VERDICTS: dict[Verdict, str] = {
    "holds": "the layers nearest input and those nearest output are both more specific than the "
    "middle",
    "output only": "only the layers nearest output are more specific than the middle, those "
    "nearest input are less so",
    "output": "the layers nearest output are more specific than the middle, of those nearest input "
    "the intervals leave it open",
    "input only": "only the layers nearest input are more specific than the middle, those nearest "
    "output are less so",
    "input": "the layers nearest input are more specific than the middle, of those nearest output "
    "the intervals leave it open",
    "not output": "the layers nearest output are less specific than the middle, of those nearest "
    "input the intervals leave it open",
    "not input": "the layers nearest input are less specific than the middle, of those nearest "
    "output the intervals leave it open",
    "reversed": "the layers nearest input and those nearest output are both less specific than the "
    "middle",
    "undecided": "the intervals leave open of either end whether it is more or less specific than "
    "the middle",
}
# For tables: where a measure says that layers are more specific.
SPECIFIC_AT: dict[Verdict, str] = {
    "holds": "both ends",
    "output only": "output",
    "output": "output",
    "input only": "input",
    "input": "input",
    "not output": "not output",
    "not input": "not input",
    "reversed": "neither",
    "undecided": "undecided",
}
_BY_OUTCOMES: dict[tuple[Outcome, Outcome], Verdict] = {
    ("more", "more"): "holds",
    ("less", "more"): "output only",
    ("undecided", "more"): "output",
    ("more", "less"): "input only",
    ("more", "undecided"): "input",
    ("undecided", "less"): "not output",
    ("less", "undecided"): "not input",
    ("less", "less"): "reversed",
    ("undecided", "undecided"): "undecided",
}
_ENDS = ("input", "output")


def verdict(found: Mapping[str, Contrast]) -> Verdict:
    """Whether Bhattacharya & Bojar's finding, both ends more specific, holds by one measure.

    Each end is told by its own interval; an end is the "only" one where the other is less specific.
    """
    return _BY_OUTCOMES[found["input"].outcome, found["output"].outcome]


def sentence(name: str, half: str, groups: int, quarter: Mapping[str, float], found: Any) -> str:
    """One measure's, e.g. "Detectors, flatness: ...".

    Args:
        name: of the measure.
        half: of the FFN.
        groups: languages, or pairs, it is the mean of.
        quarter: the measure's means over the layers of "input", "middle" and "output".
        found: see `contrasts`.
    """
    measure = MEASURES[name]
    many = {"language": "languages", "pair": "pairs"}.get(measure.groups)
    ends = []
    for end in _ENDS:
        contrast = found[end]
        said = {"more": "more", "less": "less", "undecided": "undecided whether more or less"}
        share = f", above 0 in {contrast.groups_for} of {groups} {many}" if many else ""
        ends.append(
            f"{end} {said[contrast.outcome]} specific ({contrast.value:+.3f}, {contrast.low:+.3f} "
            f"to {contrast.high:+.3f}{share})"
        )
    return (
        f"{half.capitalize()}, {measure.title}: {quarter['input']:.3f} near input, "
        f"{quarter['middle']:.3f} in the middle, {quarter['output']:.3f} near output; "
        f"{'; '.join(ends)}."
    )


def summary(model: str, rows: Sequence[Mapping[str, Any]]) -> list[str]:
    """The whole of it, for people: how the measures vote on either end, and on both.

    Args:
        model: its name.
        rows: the measures that have a "verdict" and "contrasts", see `analyse`.
    """
    if not rows:
        return [f"{model} has two layers only: there is no middle to compare its ends with."]
    count = len(rows)
    out = []
    for end, outermost in (("output", "last"), ("input", "first")):
        near, alone = (
            Counter(row["contrasts"][which]["outcome"] for row in rows)
            for which in (end, outermost)
        )
        out.append(
            f"The layers nearest {end} are more specific to languages than the middle by "
            f"{near['more']} of {count} measures, less by {near['less']}, undecided by "
            f"{near['undecided']}; the {outermost} layer alone is so by {alone['more']}, less by "
            f"{alone['less']}."
        )
    # An interval over many lines excludes 0 though there is next to nothing to see.
    if ratios := [
        row["contrasts"]["input"]["value"] / row["contrasts"]["output"]["value"]
        for row in rows
        if row["contrasts"]["output"]["outcome"] == "more"
    ]:
        out.append(_ratio(statistics.median(ratios)))
    for which, meaning in VERDICTS.items():
        mine: dict[str, list[str]] = {}
        for row in rows:
            if row["verdict"] == which:
                mine.setdefault(row["half"], []).append(row["name"])
        if mine:
            named = "; ".join(f"{half} {', '.join(names)}" for half, names in mine.items())
            out.append(f"By {sum(map(len, mine.values()))} of {count}, {meaning}: {named}.")
    verdicts = {row["verdict"] for row in rows}
    if verdicts == {"holds"}:
        word = "holds by every measure"
    elif "holds" in verdicts:
        word = "holds by some measures and not by others"
    else:
        word = "holds by no measure"
    return [f"On {model}, that both ends are the more language-specific {word}.", *out]


def _ratio(ratio: float) -> str:
    """How the input end compares where the output end is more specific."""
    where = "Where the layers nearest output are more specific, those nearest input are "
    over = "in the median over the measures"
    said = f"{abs(ratio):.2f}"
    if said == "0.00":
        return f"{where}neither more specific than the middle nor less, {over}."
    if ratio > 0:
        return f"{where}so by {said} times as much, {over}."
    return f"{where}less specific than the middle, by {said} times as much, {over}."
