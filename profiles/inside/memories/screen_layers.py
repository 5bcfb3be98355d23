"""Memories on screen: of one layer, and of a model layer by layer."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from profiles.inside.memories.screen_parts import figures_table, percent


def show_layer(facts: Mapping[str, Any]) -> None:
    """The tables of `langsteer inspect layer`."""
    console = Console()
    title = escape(f"{facts['model']}, layer {facts['layer']}")
    table = Table(title=title, show_header=False)
    for name, value in _layer_rows(facts):
        table.add_row(name, escape(value))
    console.print(table)
    console.print(_detectors(facts["languages"]))


def show_model(facts: Mapping[str, Any]) -> None:
    """The tables of `langsteer inspect model`."""
    console = Console()
    positions = facts["layers"][0]["refinement"]["positions"]
    table = figures_table(
        f"{facts['model']}: memories by layer",
        (
            "layer",
            "agree\n+v",
            "by\nchance",
            "agree\n−v",
            "no\nmemory",
            "largest",
            "effective",
            "one\nlanguage",
            "mass on it",
        ),
        (_memories_row(row) for row in facts["layers"]),
    )
    table.caption = (
        "agree: +v (−v) promotes most what follows the highest (lowest) trigger. no memory, "
        "largest: positions where the output's first token is no (the largest) one's. effective: "
        "as many equal memories at work. one language: neurons with 80% of their triggers in one; "
        "mass on it: what their values give it (other neurons' values)."
    )
    console.print(table)
    table = figures_table(
        f"Refinement at {positions} positions: the stream's first token, %",
        (
            "layer",
            "final\nbefore",
            "final\nafter",
            "p\nbefore",
            "p\nafter",
            "median\nrank",
            "stream's",
            "both's",
            "layer's",
            "neither's",
        ),
        (_refinement_row(row) for row in facts["layers"]),
    )
    table.caption = (
        "final: where the stream before (after) the layer's FFN ranks the final token first; p: "
        "the probability it gives it. Then whose first token the sum's is."
    )
    console.print(table)
    at = facts["settled_at_layer"]
    listed = ", ".join(f"{tag} {layer:.1f}" for tag, layer in at["by_language"].items())
    said = f"The prediction settles at layer {at['mean']:.1f} on average: {listed}"
    console.print(said, markup=False)


def _memories_row(row: Mapping[str, Any]) -> list[str]:
    agreed, composed = row["agreement"], row["composition"]
    agreement = (("promotes", "first"), ("promotes", "by_chance"), ("demotes", "first"))
    return [
        str(row["layer"]),
        *(percent(agreed[way][name] if agreed else None, 2) for way, name in agreement),
        percent(composed["agrees_with_no_memory"]),
        percent(composed["agrees_with_largest"]),
        f"{composed['effective_memories']:.0f}",
        percent(row["triggers"]["one_language"]),
        _pair(row["triggers"]),
    ]


def _refinement_row(row: Mapping[str, Any]) -> list[str]:
    r = row["refinement"]
    return [
        str(row["layer"]),
        percent(r["before_is_final"]),
        percent(r["after_is_final"]),
        f"{r['before_probability']:.3f}",
        f"{r['after_probability']:.3f}",
        f"{r['median_rank']:,.0f}",
        *(percent(r[f"from_{who}"]) for who in ("stream", "both", "output", "neither")),
    ]


def _detectors(languages: Iterable[Mapping[str, Any]]) -> Table:
    """Where values were not read there are only names."""
    rows = [(found["language"], n, row) for found in languages for n, row in enumerate(_top(found))]
    said = any("promotes" in row for _, _, row in rows)
    title = "Best detectors of each language"
    table = Table(title=f"{title}, and the mass they move to and from it" if said else title)
    for column in ("language", "neuron", "AP"):
        table.add_column(column, no_wrap=True)
    for column in ("promotes", "to", "demotes", "from") if said else ():
        table.add_column(column, no_wrap=column in ("to", "from"))
    for language, n, row in rows:
        cells = [escape(language) if n == 0 else "", str(row["neuron"]), f"{row['ap']:.2f}"]
        for way in ("promotes", "demotes") if said else ():
            cells += [escape(" ".join(row[way])), percent(row[f"{way}_mass"])]
        table.add_row(*cells, end_section=n == 2)
    return table


def _top(language: Mapping[str, Any]) -> Sequence[Mapping[str, Any]]:
    best: Sequence[Mapping[str, Any]] = language["best"][:3]
    return best


def _layer_rows(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for way, sign in (("promotes", "+v"), ("demotes", "−v")):
        if agreed := facts["agreement"].get(way):
            said = f"{percent(agreed['first'], 2)} of {agreed['neurons']} neurons (by chance "
            said += f"{percent(agreed['by_chance'], 2)}); among the tokens listed "
            yield f"{sign} agrees with the top trigger", said + percent(agreed["listed"], 2)
    composed, refined, keys = facts["composition"], facts["refinement"], facts["triggers"]
    yield "output's first token", _first_token(composed)
    yield "memories at work", f"as many as {composed['effective_memories']:.0f} equal ones (median)"
    said = f"first at {percent(refined['before_is_final'])} before, "
    said += f"{percent(refined['after_is_final'])} after; probability "
    said += f"{refined['before_probability']:.3f} before, {refined['after_probability']:.3f} after;"
    yield "final prediction in the stream", f"{said} median rank {refined['median_rank']:,.0f}"
    said = f"the stream's {percent(refined['from_stream'])}, both's "
    said += f"{percent(refined['from_both'])}, the layer's {percent(refined['from_output'])}, "
    yield "the sum's first token is", f"{said}neither's {percent(refined['from_neither'])}"
    owners = ", ".join(f"{tag} {n}" for tag, n in keys["by_language"].items())
    yield "neurons of one language", f"{percent(keys['one_language'])} ({owners})"
    if keys["own_mass"] is not None:
        others = percent(keys["others_mass"], 1)
        yield (
            "mass of their values",
            f"{percent(keys['own_mass'], 1)} on it, others' values {others}",
        )


def _first_token(composed: Mapping[str, Any]) -> str:
    """Whose it is; nobody knows without the values, see `Sampled.alone`."""
    alone, largest = composed["agrees_with_no_memory"], composed["agrees_with_largest"]
    if alone is None:
        return "unknown: the store was made with --no-values"
    said = f"no memory's at {percent(alone)} of {composed['positions']} positions"
    return f"{said}, the largest memory's at {percent(largest)}"


def _pair(keys: Mapping[str, Any]) -> str:
    return f"{percent(keys['own_mass'], 1)} ({percent(keys['others_mass'], 1)})"
