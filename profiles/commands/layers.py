"""`langsteer layers`."""

from __future__ import annotations

import json
import time
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from profiles.commands.common import (
    Columns,
    Down,
    Json,
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

_FILE = "layers.json"


def layers(
    model: Model,
    corpus: Source = "starter",
    languages: Annotated[
        str | None,
        typer.Option(help="Compare these only, e.g. de,ja,zh; all of the corpus by default."),
    ] = None,
    share: Annotated[
        float,
        typer.Option(
            min=1e-6, max=1.0, help="Of all units, selected for a language by AP or LAPE."
        ),
    ] = 0.01,
    top: Annotated[
        float,
        typer.Option(min=1e-6, max=1.0, help="Of a layer's units, the most active ones compared."),
    ] = 0.05,
    draws: Annotated[int, typer.Option(min=20, help="Bootstrap resamples of the lines.")] = 200,
    seed: Annotated[int, typer.Option(help="Of the bootstrap.")] = 0,
    out: Annotated[
        Path | None, typer.Option(help=f"Folder for {_FILE} and plots.", file_okay=False)
    ] = None,
    profiles: Annotated[
        Path | None,
        typer.Option(
            help="Folder of profile files of MODEL, or `ready`: say in which layers they edit.",
            file_okay=False,
        ),
    ] = None,
    limit: Limit = None,
    columns: Columns = None,
    memory: Memory = 2.0,
    precision: Precision = "auto",
    down_projection: Down = None,
    as_json: Json = False,
) -> None:
    """Say which layers are specific to languages, on parallel text. Makes no profile.

    Line n of each language's text must be the translation of line n of the others.
    """
    with reported("layers"):
        from profiles.corpora.parallel import check_alignment
        from profiles.inside.layers.analyse import analyse
        from profiles.inside.layers.edited import edits_by_layer
        from profiles.inside.layers.measure import Options, measure
        from profiles.inside.layers.read import read_layers, short_lines
        from profiles.inside.layers.tables import show_layers
        from profiles.ready.folder import profile_folder
        from profiles.report.collection import read_collection

        if out:
            _check_plots()
        options = Options(share=share, top=top, draws=draws, seed=seed)
        # Each language is measured against those it is read with: no others are read.
        text, _ = read_text(corpus, languages, limit, columns, only=True)
        check_alignment(corpus, [*text.texts])
        loaded = load(model, precision, as_json)
        collection = None
        if profiles:
            collection = read_collection(profile_folder(profiles), loaded.identity)
        text = short_lines(loaded, text)
        begun = time.monotonic()
        with stages(as_json)("reading the corpus") as show:
            readings = read_layers(
                loaded,
                text,
                down_projection=down_projection,
                memory_limit=round(memory * 2**30),
                progress=show,
            )
        read = time.monotonic()
        with stages(as_json)("measuring layers") as show:
            measures = measure(readings, options, show)
        found = analyse(loaded.identity.name, readings, measures, options)
        if collection:
            best = next(row for row in found["measures"] if row["name"] == "ap-share")
            found["edits"] = edits_by_layer(
                [*collection.profiles.values()], readings.output_norms, best["layers"]["value"]
            )
        facts = {
            **found,
            "model": asdict(loaded.identity),
            "corpus": {"source": text.source, "sha256": text.digest},
            "warnings": [*text.warnings, *found["warnings"]],
            "seconds": {
                "reading": round(read - begun, 2),
                "measuring": round(time.monotonic() - read, 2),
            },
            "versions": _versions(),
        }
        files = _write(facts, out) if out else []
        if as_json:
            typer.echo(json.dumps(facts, ensure_ascii=False))
        else:
            show_layers(facts, files)


def _check_plots() -> None:
    """Before the model runs, not after."""
    from importlib.util import find_spec

    from profiles.errors import LangsteerError

    if find_spec("matplotlib") is None:
        raise LangsteerError(
            "plots need matplotlib: run pip install 'langsteer[evaluate]', or leave out --out"
        )


def _versions() -> dict[str, Any]:
    from profiles.versions import versions

    return dict(versions())


def _write(facts: dict[str, Any], out: Path) -> list[Path]:
    from profiles.inside.layers.analyse import FILE
    from profiles.inside.layers.plots import draw_layers
    from profiles.report.write import write

    file = out / FILE
    write(file, json.dumps(facts, ensure_ascii=False) + "\n")
    return [file, *draw_layers(facts, out)]
