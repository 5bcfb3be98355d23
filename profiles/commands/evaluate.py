"""`langsteer evaluate`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, cast

import typer

from profiles.commands.common import (
    Down,
    Json,
    Languages,
    Precision,
    choice,
    flag,
    given,
    load,
    reported,
    stages,
    tags,
)

if TYPE_CHECKING:
    from profiles.judging.options import Phase

_CONDITIONS = (
    "What the model has read. Towards a language, and away from it in that language: "
    "bos, paragraph, mid. Towards only: other, chat, translate, answer. Away only: "
    "denied-paragraph, denied-line, denied-mid. "
    "Or all; or none, for the perplexity of natural text alone."
)
_BASELINES = "all, or of instruction, instruction-native, logit-bias, ap-median, lape, residual."


def evaluate(
    context: typer.Context,
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
    conditions: Annotated[
        str, typer.Option(help=_CONDITIONS)
    ] = "bos,paragraph,mid,other,denied-line",
    roles: Annotated[str, typer.Option(help="target, suppress or both.")] = "target,suppress",
    baselines: Annotated[str, typer.Option(help=_BASELINES)] = "none",
    samples: Annotated[int, typer.Option(min=1, help="Outputs a cell.")] = 50,
    tokens: Annotated[int, typer.Option(min=1, help="Length of an output.")] = 64,
    temperature: Annotated[float, typer.Option(min=0.0, help="Of sampling; 0 is greedy.")] = 0.8,
    seed: Annotated[int, typer.Option(help="Of the first sample.")] = 1,
    strengths: Annotated[
        str, typer.Option("--strengths", "--strength", help="Factors on the edits, e.g. 0.5,1,1.5.")
    ] = "1",
    phase: Annotated[
        str,
        typer.Option(help="What profiles edit: all; or decode, the answer and not the prompt."),
    ] = "all",
    text: Annotated[
        Path | None,
        typer.Option(
            help="Folder of <language>.txt with aligned lines to judge with, instead of "
            "the passages that come along.",
            file_okay=False,
        ),
    ] = None,
    text_lines: Annotated[
        str | None, typer.Option(help="Which lines of the text, e.g. 700:1000, from 0.")
    ] = None,
    held_out: Annotated[
        int, typer.Option(min=0, help="Paragraphs a language for perplexity; 0 for none.")
    ] = 8,
    embedder: Annotated[
        Path | None,
        typer.Option(
            help="Folder of a sentence embedder that compares translations by meaning, instead of "
            "the one of langsteer[evaluate]."
        ),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for evaluation.json and samples.jsonl.", file_okay=False),
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on from what --out holds, if it does.")
    ] = False,
    overwrite: Annotated[
        bool, typer.Option("--overwrite", help="Replace the evaluation that --out holds.")
    ] = False,
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
        from profiles.judging.condition import CONDITIONS
        from profiles.judging.effect import Choice, complaint
        from profiles.judging.options import PHASES, Options
        from profiles.judging.run import run
        from profiles.judging.subject import Place
        from profiles.judging.table import show_evaluation
        from profiles.ready.folder import profile_folder

        choice("--phase", phase, PHASES)
        if resume and overwrite:
            raise typer.BadParameter("contradicts --resume", param_hint="--overwrite")
        options = Options(
            samples=samples,
            tokens=tokens,
            temperature=temperature,
            seed=seed,
            strengths=_strengths(strengths),
            phase=cast("Phase", phase),
            conditions=_chosen("--conditions", conditions, tuple(CONDITIONS)),
            roles=_chosen("--roles", roles, ("target", "suppress")),
            baselines=_chosen("--baselines", baselines, tuple(BASELINES)),
            held_out=held_out,
            batch=batch,
        )
        if not options.roles:
            raise typer.BadParameter("none leaves nothing to judge", param_hint="--roles")
        if server is None and (model is None or profiles is None):
            raise typer.BadParameter("MODEL and --profiles are needed, or --server")
        chosen = Choice(
            options=options,
            given=frozenset(flag(context, name) for name in context.params if given(context, name)),
            model=model is not None,
            server=server is not None,
            out=out is not None,
        )
        if wrong := complaint(chosen):
            raise typer.BadParameter(wrong[1], param_hint=wrong[0])
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
            overwrite=overwrite,
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
    if not names:
        raise typer.BadParameter("names nothing; none is a choice", param_hint=option)
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
