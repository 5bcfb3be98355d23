"""Memories on screen: of one layer, and of a model layer by layer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from profiles.inside.memories.screen_parts import percent


def show_layer(facts: Mapping[str, Any]) -> None:
    """The tables of `langsteer inspect layer`."""
    console = Console()
    table = Table(title=f"{facts['model']}, layer {facts['layer']}", show_header=False)
    for name, value in _layer_rows(facts):
        table.add_row(name, value)
    console.print(table)
    table = Table(title="Best detectors of each language, and the mass they move to and from it")
    for column in ("language", "neuron", "AP", "promotes", "to", "demotes", "from"):
        table.add_column(column)
    for language in facts["languages"]:
        for n, row in enumerate(language["best"][:3]):
            table.add_row(
                language["language"] if n == 0 else "",
                str(row["neuron"]),
                f"{row['ap']:.2f}",
                escape(" ".join(row.get("promotes", []))),
                percent(row.get("promotes_mass")),
                escape(" ".join(row.get("demotes", []))),
                percent(row.get("demotes_mass")),
                end_section=n == 2,
            )
    console.print(table)


def show_model(facts: Mapping[str, Any]) -> None:
    """The tables of `langsteer inspect model`."""
    console = Console()
    positions = facts["layers"][0]["refinement"]["positions"]
    table = Table(title=f"{facts['model']}: memories by layer")
    for column in (
        "layer",
        "agree +v",
        "by chance",
        "agree −v",
        "no memory",
        "largest",
        "effective",
    ):
        table.add_column(column, justify="right")
    table.add_column("one language", justify="right")
    table.add_column("mass on it", justify="right")
    for row in facts["layers"]:
        agreed, composed = row["agreement"], row["composition"]
        table.add_row(
            str(row["layer"]),
            *(
                percent(agreed[way][name] if agreed else None, 2)
                for way, name in (
                    ("promotes", "first"),
                    ("promotes", "by_chance"),
                    ("demotes", "first"),
                )
            ),
            percent(composed["agrees_with_no_memory"]),
            percent(composed["agrees_with_largest"]),
            f"{composed['effective_memories']:.0f}",
            percent(row["triggers"]["one_language"]),
            _pair(row["triggers"]),
        )
    table.caption = (
        "agree: +v (−v) promotes most what follows the highest (lowest) trigger. no memory, "
        "largest: positions where the output's first token is no (the largest) one's. effective: "
        "as many equal memories at work. one language: neurons with 80% of their triggers in one; "
        "mass on it: what their values give it (other neurons' values)."
    )
    console.print(table)
    table = Table(title=f"Refinement at {positions} positions: the stream's first token, %")
    for column in (
        "layer",
        "final before",
        "final after",
        "p before",
        "p after",
        "median rank",
        "stream's",
        "both's",
        "layer's",
        "neither's",
    ):
        table.add_column(column, justify="right")
    for row in facts["layers"]:
        r = row["refinement"]
        table.add_row(
            str(row["layer"]),
            percent(r["before_is_final"]),
            percent(r["after_is_final"]),
            f"{r['before_probability']:.3f}",
            f"{r['after_probability']:.3f}",
            f"{r['median_rank']:,.0f}",
            *(percent(r[f"from_{who}"]) for who in ("stream", "both", "output", "neither")),
        )
    table.caption = (
        "final: where the stream before (after) the layer's FFN ranks the final token first; p: "
        "the probability it gives it. Then whose first token the sum's is."
    )
    console.print(table)
    at = facts["settled_at_layer"]
    listed = ", ".join(f"{tag} {layer:.1f}" for tag, layer in at["by_language"].items())
    console.print(f"The prediction settles at layer {at['mean']:.1f} on average: {listed}")


def _layer_rows(facts: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    for way, sign in (("promotes", "+v"), ("demotes", "−v")):
        if agreed := facts["agreement"].get(way):
            said = f"{percent(agreed['first'], 2)} of {agreed['neurons']} neurons (by chance "
            said += f"{percent(agreed['by_chance'], 2)}); among the tokens listed "
            yield f"{sign} agrees with the top trigger", said + percent(agreed["listed"], 2)
    composed, refined, keys = facts["composition"], facts["refinement"], facts["triggers"]
    said = f"no memory's at {percent(composed['agrees_with_no_memory'])} of "
    said += f"{composed['positions']} positions, the largest memory's at "
    yield "output's first token", said + percent(composed["agrees_with_largest"])
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
    said = f"{percent(keys['own_mass'], 1)} on it, others' values {percent(keys['others_mass'], 1)}"
    yield "mass of their values", said


def _pair(keys: Mapping[str, Any]) -> str:
    return f"{percent(keys['own_mass'], 1)} ({percent(keys['others_mass'], 1)})"
