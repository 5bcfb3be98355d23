"""`langsteer evaluate`."""

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
    load,
    reported,
    stages,
    tags,
)


def evaluate(
    model: Model,
    profiles: Annotated[Path, typer.Option(help="Folder of profile files.", file_okay=False)],
    languages: Languages = None,
    samples: Annotated[int, typer.Option(min=1, help="Outputs a cell.")] = 100,
    tokens: Annotated[int, typer.Option(min=1, help="Length of an output.")] = 64,
    seed: Annotated[int, typer.Option(help="Of the first sample.")] = 1,
    strength: Annotated[float, typer.Option(min=0.01, max=8.0, help="Factor on the edits.")] = 1.0,
    out: Annotated[Path, typer.Option(help="File for the samples.")] = Path("samples.jsonl"),
    precision: Precision = "auto",
    down_projection: Down = None,
    as_json: Json = False,
) -> None:
    """Measure success, repetition and fluency of profiles, steered against unsteered."""
    with reported("evaluate"):
        from profiles.console import show_evaluation
        from profiles.errors import ProfileError
        from profiles.judging.evaluate import Options
        from profiles.judging.evaluate import evaluate as run
        from profiles.store import list_profiles

        loaded = load(model, precision, as_json)
        good, errors = list_profiles(profiles, loaded.identity)
        if errors:
            raise errors[0]
        wanted = tags(languages) or [*good]
        if missing := [tag for tag in wanted if tag not in good]:
            raise ProfileError(
                f"{profiles} has no profile of {', '.join(missing)}; it has {', '.join(good)}"
            )
        out.parent.mkdir(parents=True, exist_ok=True)
        out.touch()  # an unwritable place is found out before minutes of generation, not after
        result = run(
            loaded,
            [good[tag] for tag in wanted],
            Options(samples=samples, tokens=tokens, seed=seed, strength=strength),
            stages(as_json),
            out,
            down_projection=down_projection,
        )
        if as_json:
            typer.echo(json.dumps(result, ensure_ascii=False, indent=1))
        else:
            show_evaluation(result)
