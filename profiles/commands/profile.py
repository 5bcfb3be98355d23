"""`langsteer profile`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from profiles.commands.common import (
    Down,
    Json,
    Languages,
    Model,
    Precision,
    choice,
    load,
    reported,
    stages,
    tags,
)
from profiles.errors import CorpusError
from profiles.recipe import METHODS, Recipe


def profile(
    model: Model,
    corpus: Annotated[
        str,
        typer.Option(help="Folder of <language>.txt, .jsonl file, dataset id, or `starter`."),
    ] = "starter",
    languages: Languages = None,
    suppress: Annotated[
        str | None,
        typer.Option(
            help="Languages that also get an edit away from them; by default all of --languages. "
            "`none` for none: learning then takes half the time."
        ),
    ] = None,
    out: Annotated[
        Path, typer.Option(help="Folder the profile files go to.", file_okay=False)
    ] = Path("profiles-out"),
    method: Annotated[
        str, typer.Option(help=f"What an edit is: {', '.join(METHODS)}.")
    ] = Recipe.method,
    neurons: Annotated[
        int, typer.Option(min=2, help="Neurons that ap-median and both edit.")
    ] = Recipe.neurons,
    gain: Annotated[
        float, typer.Option(min=0.0, help="Factor on the mean difference of offset and both.")
    ] = Recipe.gain,
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of learned, for each language and role.")
    ] = Recipe.steps,
    precision: Precision = "auto",
    down_projection: Down = None,
    as_json: Json = False,
) -> None:
    """Find a model's language neurons and write a steering profile per language."""
    choice("--method", method, METHODS)
    with reported("profile"):
        from profiles.console import show_profiles
        from profiles.corpora.corpus import read_corpus
        from profiles.make import make_profiles
        from profiles.store import save
        from profiles.summary import summarize

        text = read_corpus(corpus)
        wanted = tags(languages) or [*text.texts]
        if missing := [tag for tag in wanted if tag not in text.texts]:
            raise CorpusError(
                f"{corpus} has no text in {', '.join(missing)}; it has {', '.join(text.texts)}"
            )
        denied = [] if suppress == "none" else tags(suppress) or wanted
        if missing := [tag for tag in denied if tag not in wanted]:
            raise CorpusError(f"--suppress {', '.join(missing)}: not among {', '.join(wanted)}")
        out.mkdir(parents=True, exist_ok=True)
        loaded = load(model, precision, as_json)
        recipe = Recipe(
            method=method,  # type: ignore[arg-type]
            neurons=neurons,
            gain=gain,
            steps=steps,
        )
        made = make_profiles(
            loaded,
            text,
            wanted,
            recipe,
            stages(as_json),
            suppress=denied,
            down_projection=down_projection,
        )
        files = {p.language: save(p, out) for p in made.profiles}
        summary = summarize(made, text, files)
        if as_json:
            typer.echo(json.dumps(summary, ensure_ascii=False, indent=1))
        else:
            show_profiles(summary)
