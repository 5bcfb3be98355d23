"""`langsteer profile`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from profiles.commands.backend import BACKENDS, BackendChoice
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
    within,
)
from profiles.errors import CorpusError, LangsteerError
from profiles.finding.score import SCORES
from profiles.recipe import CHANGES, METHODS, Recipe

_CLOSED, _SPEED, _TEXT = "Closed forms (--method scored, offset)", "Speed and scale", "Text"


def profile(
    model: Model,
    corpus: Annotated[
        str,
        typer.Option(
            help="Folder of <language>.txt, .jsonl file, dataset id, or `starter`.",
            rich_help_panel=_TEXT,
        ),
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
    budget: Annotated[
        float,
        typer.Option(min=1e-5, max=1.0, help="Share of the neurons that `neurons` may edit."),
    ] = Recipe.budget,
    suppress_budget: Annotated[
        float,
        typer.Option(min=1e-5, max=1.0, help="The same for learned suppression."),
    ] = Recipe.suppress_budget,
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of learning, for each language and role.")
    ] = Recipe.steps,
    seconds: Annotated[
        float | None,
        typer.Option(min=1.0, help="Learn for at most so long, for each language and role."),
    ] = None,
    calibrate: Annotated[
        bool, typer.Option(help="Choose the strength of learned edits on held-out text.")
    ] = Recipe.calibrate,
    seed: Annotated[int, typer.Option(help="Of everything drawn.")] = Recipe.seed,
    limit: Annotated[
        int | None,
        typer.Option(min=1, help="Sentences read a language.", rich_help_panel=_TEXT),
    ] = None,
    columns: Annotated[
        str | None,
        typer.Option(
            help="Columns of a table of translations, e.g. de=sentence_deu,en=sentence_eng.",
            rich_help_panel=_TEXT,
        ),
    ] = None,
    score: Annotated[
        str,
        typer.Option(help=f"What ranks neurons: {', '.join(SCORES)}.", rich_help_panel=_CLOSED),
    ] = Recipe.score,
    change: Annotated[
        str,
        typer.Option(
            help=f"What `scored` does to the best: {', '.join(CHANGES)}.", rich_help_panel=_CLOSED
        ),
    ] = Recipe.change,
    neurons: Annotated[
        int, typer.Option(min=2, help="Neurons that `scored` changes.", rich_help_panel=_CLOSED)
    ] = Recipe.neurons,
    factor: Annotated[
        float, typer.Option(min=0.01, help="Of --change scale.", rich_help_panel=_CLOSED)
    ] = Recipe.factor,
    gain: Annotated[
        float,
        typer.Option(
            min=0.0, help="Factor on the mean difference of `offset`.", rich_help_panel=_CLOSED
        ),
    ] = Recipe.gain,
    work: Annotated[
        Path | None,
        typer.Option(
            help="Folder that keeps what was learned, to go on from in later runs. By default a "
            "hidden one beside the profiles, removed when all are made.",
            file_okay=False,
        ),
    ] = None,
    backend: Annotated[
        str,
        typer.Option(
            help=f"What reads the corpus: {', '.join(BACKENDS)}. vllm for models that transformers "
            "cannot hold; edits are then closed forms.",
            rich_help_panel=_SPEED,
        ),
    ] = "transformers",
    workers: Annotated[
        int,
        typer.Option(
            min=1,
            help="Processes that read the corpus; with vllm, the tensor-parallel size.",
            rich_help_panel=_SPEED,
        ),
    ] = 1,
    ray_address: Annotated[
        str | None,
        typer.Option(help="Ray cluster to read the corpus on.", rich_help_panel=_SPEED),
    ] = None,
    memory: Annotated[
        float,
        typer.Option(
            min=0.01,
            help="GiB of neuron responses to hold; more go to a temporary file.",
            rich_help_panel=_SPEED,
        ),
    ] = 2.0,
    precision: Precision = "auto",
    down_projection: Down = None,
    as_json: Json = False,
) -> None:
    """Find a model's language neurons and write a steering profile per language.

    An interrupted run is gone on with by the same command.
    """
    for option, value, known in (
        ("--method", method, METHODS),
        ("--score", score, SCORES),
        ("--change", change, CHANGES),
        ("--backend", backend, BACKENDS),
        ("--precision", precision, ("auto", "bf16", "fp32")),
    ):
        choice(option, value, known)
    with reported("profile"):
        from profiles.console import show_profiles
        from profiles.corpora.corpus import read_corpus
        from profiles.make import make_profiles
        from profiles.models.resolve import resolve_model
        from profiles.profile import Profile
        from profiles.store import save
        from profiles.summary import summarize

        recipe = Recipe(
            method=method,  # type: ignore[arg-type]
            budget=budget,
            suppress_budget=suppress_budget,
            steps=steps,
            seconds=seconds,
            calibrate=calibrate,
            score=score,  # type: ignore[arg-type]
            change=change,  # type: ignore[arg-type]
            neurons=neurons,
            factor=factor,
            gain=gain,
            seed=seed,
        )
        how = BackendChoice(name=backend, workers=workers, ray_address=ray_address)
        if not how.loads_weights and (recipe.learns or recipe.score == "attribution"):
            raise LangsteerError(
                f"--backend {backend} reads a corpus; learning and attribution need gradients. "
                "Choose --method scored or offset, and another --score"
            )
        if method == "scored" and change == "ablate" and suppress == "none":
            raise LangsteerError("--change ablate only suppresses: leave out --suppress none")
        wanted = tags(languages)
        named = wanted if "{language}" in corpus else None
        text = read_corpus(corpus, named, limit=limit, columns=_columns(columns))
        wanted = within(wanted, text.texts, CorpusError, f"{corpus} has no text in") or [
            *text.texts
        ]
        denied = [] if suppress == "none" else tags(suppress) or wanted
        within(denied, wanted, CorpusError, "--suppress takes some of --languages, not")
        out.mkdir(parents=True, exist_ok=True)
        folder = work or out / ".learning"
        files: dict[str, Path] = {}

        def store(made: Profile) -> None:
            files[made.language] = save(made, out)

        loaded = load(model, precision, as_json, weights=how.loads_weights)
        made = make_profiles(
            loaded,
            text,
            wanted,
            recipe,
            stages(as_json),
            suppress=denied,
            down_projection=down_projection,
            backend=how.open(resolve_model(model), precision, down_projection),
            memory_limit=round(memory * 2**30),
            folder=folder,
            keep=work is not None,
            finished=store,
        )
        summary: dict[str, Any] = summarize(made, text, files)
        if as_json:
            typer.echo(json.dumps(summary, ensure_ascii=False, indent=1))
        else:
            show_profiles(summary)


def _columns(given: str | None) -> dict[str, str] | None:
    if given is None:
        return None
    pairs = [pair.partition("=") for pair in given.split(",")]
    if not all(tag and column for tag, _, column in pairs):
        raise CorpusError(f"--columns {given!r}: expected e.g. de=sentence_deu,en=sentence_eng")
    return {tag.strip(): column.strip() for tag, _, column in pairs}
