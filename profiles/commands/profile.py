"""`langsteer profile`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from profiles.commands.backend import BACKENDS, BackendChoice
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
    choice,
    load,
    read_text,
    reported,
    stages,
    tags,
    within,
)
from profiles.commands.without_effect import refuse_without_effect
from profiles.errors import CorpusError, LangsteerError
from profiles.finding.score import SCORES
from profiles.learning.selection import PRUNINGS, SELECTIONS
from profiles.recipe import CHANGES, METHODS, Recipe

_CLOSED, _SPEED = "Closed forms (--method scored, offset)", "Speed and scale"
_BUDGETS = ",".join(f"{share:g}" for share in Recipe.budgets)


def profile(
    context: typer.Context,
    model: Model,
    corpus: Source = "starter",
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
        str,
        typer.Option(
            help="Share of the neurons that `neurons` may edit; of several, e.g. 0.001,0.01, the "
            "smallest that is about as good as the best."
        ),
    ] = _BUDGETS,
    selection: Annotated[
        str,
        typer.Option(help=f"How `neurons` finds them: {', '.join(SELECTIONS)}."),
    ] = Recipe.selection,
    suppress_budget: Annotated[
        float,
        typer.Option(
            min=1e-5,
            max=1.0,
            help="Share of the neurons that `neurons` and `learned-offset` suppress by.",
        ),
    ] = Recipe.suppress_budget,
    suppress_selection: Annotated[
        str,
        typer.Option(help=f"How these find them to suppress by: {', '.join(PRUNINGS)}."),
    ] = Recipe.suppress_selection,
    steps: Annotated[
        int, typer.Option(min=1, help="Steps of learning, for each language and role.")
    ] = Recipe.steps,
    seconds: Annotated[
        float | None,
        typer.Option(
            min=1.0,
            help="Learn for at most so long, for each language and role; with `neurons` the offset "
            "and each budget.",
        ),
    ] = None,
    calibrate: Annotated[
        bool | None,
        typer.Option(
            help="Choose the strength on held-out text; done unless --backend vllm has the model."
        ),
    ] = None,
    seed: Annotated[int, typer.Option(help="Of everything drawn.")] = Recipe.seed,
    limit: Limit = None,
    columns: Columns = None,
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
    suppress_gain: Annotated[
        float,
        typer.Option(min=0.0, help="The same away from a language.", rich_help_panel=_CLOSED),
    ] = Recipe.suppress_gain,
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
    memory: Memory = 2.0,
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
        ("--selection", selection, SELECTIONS),
        ("--suppress-selection", suppress_selection, PRUNINGS),
        ("--backend", backend, BACKENDS),
        ("--precision", precision, ("auto", "bf16", "fp32")),
    ):
        choice(option, value, known)
    refuse_without_effect(context)
    with reported("profile"):
        from profiles.console import show_profiles
        from profiles.make import make_profiles
        from profiles.models.resolve import resolve_model
        from profiles.profile import Profile
        from profiles.store import save
        from profiles.summary import summarize

        how = BackendChoice(name=backend, workers=workers, ray_address=ray_address)
        recipe = Recipe(
            method=method,  # type: ignore[arg-type]
            budgets=_budgets(budget),
            selection=selection,  # type: ignore[arg-type]
            suppress_budget=suppress_budget,
            suppress_selection=suppress_selection,  # type: ignore[arg-type]
            steps=steps,
            seconds=seconds,
            calibrate=how.loads_weights if calibrate is None else calibrate,
            score=score,  # type: ignore[arg-type]
            change=change,  # type: ignore[arg-type]
            neurons=neurons,
            factor=factor,
            gain=gain,
            suppress_gain=suppress_gain,
            seed=seed,
        )
        if not how.loads_weights and (
            recipe.learns or recipe.calibrate or recipe.score == "attribution"
        ):
            raise LangsteerError(
                f"--backend {backend} reads a corpus; learning, calibration and attribution need "
                "the model here. Choose --method scored or offset, --no-calibrate, and another "
                "--score"
            )
        if len(recipe.budgets) > 1 and not recipe.calibrate:
            raise LangsteerError("choosing among several --budget takes calibration")
        if method == "scored" and change == "ablate" and suppress == "none":
            raise LangsteerError("--change ablate only suppresses: leave out --suppress none")
        how.check(down_projection)
        text, wanted = read_text(corpus, languages, limit, columns)
        denied = [] if suppress == "none" else tags(suppress) or None
        within(denied or [], wanted, CorpusError, "--suppress takes some of --languages, not")
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


def _budgets(value: str) -> tuple[float, ...]:
    try:
        found = tuple(sorted({float(part) for part in value.split(",")}))
    except ValueError:
        found = ()
    if not found or not all(1e-5 <= share <= 1 for share in found):
        raise typer.BadParameter(
            f"{value!r} is not a list of shares from 0.00001 to 1", param_hint="--budget"
        )
    return found
