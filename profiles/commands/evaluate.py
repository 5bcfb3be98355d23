"""`langsteer evaluate`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import Annotated

import typer

from profiles.commands.common import (
    Down,
    Json,
    Languages,
    Precision,
    load,
    reported,
    stages,
    tags,
)

_CONDITIONS = "bos, paragraph, mid, other, chat, translate, answer; or all."
_BASELINES = "all, or of instruction, instruction-native, logit-bias, ap-median, lape, residual."


def evaluate(
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]", help="Folder, hub id, or `demo`; with --server optional."
        ),
    ] = None,
    profiles: Annotated[
        Path | None,
        typer.Option(
            help="Folder of profile files, or `ready`; with --server optional.", file_okay=False
        ),
    ] = None,
    languages: Languages = None,
    conditions: Annotated[str, typer.Option(help=_CONDITIONS)] = "bos,paragraph,mid,other",
    roles: Annotated[str, typer.Option(help="target, suppress or both.")] = "target,suppress",
    baselines: Annotated[str, typer.Option(help=_BASELINES)] = "none",
    samples: Annotated[int, typer.Option(min=1, help="Outputs a cell.")] = 50,
    tokens: Annotated[int, typer.Option(min=1, help="Length of an output.")] = 64,
    temperature: Annotated[float, typer.Option(min=0.0, help="Of sampling; 0 is greedy.")] = 0.8,
    seed: Annotated[int, typer.Option(help="Of the first sample.")] = 1,
    strengths: Annotated[
        str, typer.Option("--strengths", "--strength", help="Factors on the edits, e.g. 0.5,1,1.5.")
    ] = "1",
    text: Annotated[
        Path | None,
        typer.Option(
            help="Folder of <language>.txt with aligned lines to judge with, instead of "
            "the passages that come along.",
            file_okay=False,
        ),
    ] = None,
    text_lines: Annotated[
        str | None, typer.Option(help="Which lines of --text, e.g. 700:1000, from 0.")
    ] = None,
    held_out: Annotated[
        int, typer.Option(min=0, help="Paragraphs a language for perplexity; 0 for none.")
    ] = 8,
    embedder: Annotated[
        Path | None,
        typer.Option(help="Folder of a sentence embedder, to compare translations by meaning."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for evaluation.json and samples.jsonl.", file_okay=False),
    ] = None,
    resume: Annotated[bool, typer.Option("--resume", help="Go on from what --out holds.")] = False,
    plots: Annotated[bool, typer.Option("--plots", help="Draw into --out as well.")] = False,
    server: Annotated[
        str | None, typer.Option(help="Judge a running server, e.g. http://localhost:8000.")
    ] = None,
    api_key: Annotated[
        str | None, typer.Option(help="Of the server.", envvar="VLLM_API_KEY")
    ] = None,
    batch: Annotated[
        int, typer.Option(min=1, help="Rows generated at once; requests at once to a server.")
    ] = 50,
    precision: Precision = "auto",
    down_projection: Down = None,
    as_json: Json = False,
) -> None:
    """Measure how well profiles steer: success, fluency, content, damage, against baselines."""
    with reported("evaluate"):
        from profiles.errors import LangsteerError
        from profiles.judging.baselines import BASELINES
        from profiles.judging.condition import TARGET_CONDITIONS
        from profiles.judging.options import Options
        from profiles.judging.run import Place, run
        from profiles.judging.table import show_evaluation
        from profiles.ready.folder import profile_folder

        options = Options(
            samples=samples,
            tokens=tokens,
            temperature=temperature,
            seed=seed,
            strengths=_strengths(strengths),
            conditions=_chosen("--conditions", conditions, TARGET_CONDITIONS),
            roles=_chosen("--roles", roles, ("target", "suppress")),
            baselines=_chosen("--baselines", baselines, tuple(BASELINES)),
            held_out=held_out,
            batch=batch,
        )
        if not options.roles:
            raise typer.BadParameter("none leaves nothing to judge", param_hint="--roles")
        if server is None and (model is None or profiles is None):
            raise typer.BadParameter("MODEL and --profiles are needed, or --server")
        if (resume or plots) and out is None:
            raise typer.BadParameter("--resume and --plots need --out")
        place = Place(
            profiles=profiles and profile_folder(profiles),
            server=server,
            api_key=api_key,
            down_projection=down_projection,
            text=text,
            text_lines=_span(text_lines),
            embedder=embedder,
            out=out,
            resume=resume,
        )
        loading = partial(load, model, precision, as_json) if model else None
        result = run(place, tags(languages), options, stages(as_json), loading)
        if plots and out:
            try:
                from profiles.judging.plots import draw
            except ImportError as error:
                raise LangsteerError(
                    "--plots needs matplotlib: run pip install 'langsteer[evaluate]'"
                ) from error
            draw(result, out)
        if as_json:
            typer.echo(json.dumps(result, ensure_ascii=False, indent=1))
        else:
            show_evaluation(result, out)


def _chosen(option: str, value: str, choices: tuple[str, ...]) -> tuple[str, ...]:
    names = [name.strip() for name in value.split(",") if name.strip()]
    if names == ["all"]:
        return choices
    if names == ["none"]:
        return ()
    if unknown := [name for name in names if name not in choices]:
        raise typer.BadParameter(
            f"{unknown[0]!r} is not one of {', '.join(choices)}", param_hint=option
        )
    return tuple(dict.fromkeys(names))


def _strengths(value: str) -> tuple[float, ...]:
    try:
        found = tuple(dict.fromkeys(float(part) for part in value.split(",")))
    except ValueError:
        found = ()
    if not found or not all(0 < strength <= 8 for strength in found):
        raise typer.BadParameter(
            f"{value!r} is not a list of numbers over 0 and at most 8", param_hint="--strengths"
        )
    return found


def _span(value: str | None) -> tuple[int, int] | None:
    if value is None:
        return None
    first, _, last = value.partition(":")
    if not (first.isdigit() and last.isdigit() and int(first) < int(last)):
        raise typer.BadParameter(f"{value!r} is not first:last", param_hint="--text-lines")
    return int(first), int(last)
