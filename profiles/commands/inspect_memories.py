"""`langsteer inspect collect`, `neuron`, `layer` and `model`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from profiles.commands.common import (
    Columns,
    Down,
    Json,
    Languages,
    Limit,
    Memory,
    Model,
    Precision,
    Source,
    load,
    read_text,
    reported,
    stages,
)
from profiles.errors import LangsteerError

if TYPE_CHECKING:
    from profiles.inside.memories.memory_store import MemoryStore

Store = Annotated[
    Path | None,
    typer.Option(
        help="File that `langsteer inspect collect` wrote; by default the one in the cache that "
        "belongs to the model.",
        dir_okay=False,
    ),
]
Plots = Annotated[Path | None, typer.Option(help="Folder for plots, PNG and SVG.", file_okay=False)]


def collect(
    model: Model,
    corpus: Source = "starter",
    languages: Languages = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Where to write it; a place in the cache by default.", dir_okay=False),
    ] = None,
    triggers: Annotated[
        int, typer.Option(min=1, help="Triggers kept of each neuron, each way.")
    ] = 10,
    tokens: Annotated[int, typer.Option(min=1, help="Tokens kept of each value, each way.")] = 10,
    positions: Annotated[
        int, typer.Option(min=1, help="Positions sampled for how layers compose and refine.")
    ] = 120,
    seed: Annotated[int, typer.Option(help="Of that sample.")] = 0,
    values: Annotated[
        bool,
        typer.Option(help="Read what values say: most of the time where the vocabulary is large."),
    ] = True,
    limit: Limit = None,
    columns: Columns = None,
    memory: Memory = 2.0,
    precision: Precision = "auto",
    down_projection: Down = None,
    as_json: Json = False,
) -> None:
    """Read a corpus and a model's FFN values, and keep what the other verbs look up."""
    with reported("inspect collect"):
        from profiles.corpora.corpus import Corpus
        from profiles.inside.memories.collect import Amount, collect_memories
        from profiles.inside.memories.files import default_place, save_store

        text, wanted = read_text(corpus, languages, limit, columns)
        text = Corpus(source=text.source, texts={tag: text.texts[tag] for tag in wanted})
        loaded = load(model, precision, as_json)
        amount = Amount(
            triggers=triggers, tokens=tokens, positions=positions, seed=seed, values=values
        )
        store = collect_memories(
            loaded,
            text,
            stages(as_json),
            amount,
            down_projection=down_projection,
            memory_limit=round(memory * 2**30),
            warn=lambda line: typer.echo(f"warning: {line}", err=True),
        )
        file = out or default_place(loaded.identity)
        save_store(store, file)
        if as_json:
            about = {"model": model, "file": str(file), **store.about}
            typer.echo(json.dumps(about, ensure_ascii=False, indent=1))
        else:
            seconds = ", ".join(f"{name} {s:.0f} s" for name, s in store.about["seconds"].items())
            typer.echo(f"Written to {file}, {_size(file.stat().st_size)}: {seconds}")


def neuron(
    model: Model,
    which: Annotated[str, typer.Argument(metavar="L.I", help="Layer and neuron, from 0: 16.837.")],
    store: Store = None,
    as_json: Json = False,
) -> None:
    """One neuron: what triggers it, in which language, and what its value says."""
    with reported("inspect neuron"):
        from profiles.inside.memories.neuron_account import neuron_account
        from profiles.inside.memories.screen import show_neuron

        layer, number = _address(which)
        found = open_store(model, store)
        facts = {"model": model, **neuron_account(found, layer, number)}
        if as_json:
            typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        else:
            show_neuron(facts)


def layer(
    model: Model,
    which: Annotated[int, typer.Argument(metavar="L", help="The layer, from 0.")],
    store: Store = None,
    as_json: Json = False,
) -> None:
    """One layer: agreement of keys and values, composition, refinement, best detectors."""
    with reported("inspect layer"):
        from profiles.inside.memories.layer_account import layer_account
        from profiles.inside.memories.screen_layers import show_layer

        facts = {"model": model, **layer_account(open_store(model, store), which)}
        if as_json:
            typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        else:
            show_layer(facts)


def model(model: Model, store: Store = None, plots: Plots = None, as_json: Json = False) -> None:
    """Every layer: agreement, composition, refinement through the residual stream."""
    with reported("inspect model"):
        from profiles.inside.memories.layer_account import model_account
        from profiles.inside.memories.screen_layers import show_model

        found = open_store(model, store)
        facts: dict[str, Any] = {
            "model": model,
            "about": dict(found.about),
            "languages": list(found.languages),
            **model_account(found),
        }
        if plots:
            try:
                from profiles.inside.memories.plots import draw_model
            except ImportError as error:
                raise LangsteerError(
                    "plots need matplotlib: run pip install 'langsteer[evaluate]'"
                ) from error
            facts["plots"] = [str(file) for file in draw_model(facts, plots)]
        if as_json:
            typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        else:
            show_model(facts)
            for file in facts.get("plots", []):
                typer.echo(f"Written to {file}")


def open_store(model: str, file: Path | None) -> MemoryStore:
    """The store of a model, which is not loaded.

    Raises:
        MemoryStoreError: there is none; says how to make it.
    """
    from profiles.inside.memories.files import default_place, read_store
    from profiles.models.fingerprint import fingerprint
    from profiles.models.resolve import resolve_model

    identity = fingerprint(resolve_model(model, lambda _line: None), model)
    return read_store(file or default_place(identity), identity)


def _size(count: int) -> str:
    """Bytes, in the unit that leaves something before the point: 412 kB, 39 MB, 1.2 GB."""
    if count >= 1e9:
        return f"{count / 1e9:.1f} GB"
    return f"{count / 1e6:.0f} MB" if count >= 1e6 else f"{count / 1e3:.0f} kB"


def _address(which: str) -> tuple[int, int]:
    layer, dot, number = which.partition(".")
    if not (dot and layer.isdecimal() and number.isdecimal()):
        raise typer.BadParameter(
            f"{which!r} is not a layer and a neuron, such as 16.837", param_hint="L.I"
        )
    return int(layer), int(number)
