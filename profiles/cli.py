"""The `langsteer` command's offline verbs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from profiles.errors import CorpusError, LangsteerError
from profiles.recipe import METHODS, Recipe

if TYPE_CHECKING:
    from profiles.models.model import LoadedModel
    from profiles.progress import Stage

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Control the language a served model answers in.",
)

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Folder, hub id, or `demo`.")]
Languages = Annotated[
    str | None, typer.Option(help="Comma-separated tags, e.g. de,ja,zh; all by default.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, nothing else.")]
Precision = Annotated[str, typer.Option(help="Of the weights: auto, bf16 or fp32.")]
Down = Annotated[
    str | None,
    typer.Option(help="Path of the FFN's down projection in a layer, for unknown architectures."),
]


def _version(wanted: bool) -> None:
    if wanted:
        from profiles.make import versions

        typer.echo(f"langsteer {versions()['langsteer']}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and exit.")
    ] = False,
) -> None:
    """Control the language a served model answers in."""


@app.command()
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
    _choice("--method", method, METHODS)
    with _reported("profile"):
        from profiles.console import show_profiles
        from profiles.corpora.corpus import read_corpus
        from profiles.make import make_profiles
        from profiles.store import save
        from profiles.summary import summarize

        text = read_corpus(corpus)
        wanted = _tags(languages) or [*text.texts]
        if missing := [tag for tag in wanted if tag not in text.texts]:
            raise CorpusError(
                f"{corpus} has no text in {', '.join(missing)}; it has {', '.join(text.texts)}"
            )
        denied = [] if suppress == "none" else _tags(suppress) or wanted
        if missing := [tag for tag in denied if tag not in wanted]:
            raise CorpusError(f"--suppress {', '.join(missing)}: not among {', '.join(wanted)}")
        out.mkdir(parents=True, exist_ok=True)
        loaded = _load(model, precision, as_json)
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
            _stages(as_json),
            suppress=denied,
            down_projection=down_projection,
        )
        files = {p.language: save(p, out) for p in made.profiles}
        summary = summarize(made, text, files)
        if as_json:
            typer.echo(json.dumps(summary, ensure_ascii=False, indent=1))
        else:
            show_profiles(summary)


@app.command()
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
    with _reported("evaluate"):
        from profiles.console import show_evaluation
        from profiles.errors import ProfileError
        from profiles.judging.evaluate import Options
        from profiles.judging.evaluate import evaluate as run
        from profiles.store import list_profiles

        loaded = _load(model, precision, as_json)
        good, errors = list_profiles(profiles, loaded.identity)
        if errors:
            raise errors[0]
        wanted = _tags(languages) or [*good]
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
            _stages(as_json),
            out,
            down_projection=down_projection,
        )
        if as_json:
            typer.echo(json.dumps(result, ensure_ascii=False, indent=1))
        else:
            show_evaluation(result)


@app.command()
def inspect(
    file: Annotated[Path, typer.Argument(help="A profile file.")], as_json: Json = False
) -> None:
    """Print what a profile file edits, in which layers, and where it came from."""
    with _reported("inspect"):
        from dataclasses import asdict

        from profiles.console import show_profile
        from profiles.store import created, read
        from profiles.summary import edited

        found = read(file)
        facts: dict[str, Any] = {
            "file": str(file),
            "language": found.language,
            "version": found.version,
            "content_hash": found.content_hash,
            "created": created(file.read_bytes(), str(file)),
            "model": asdict(found.model),
            "edits": {role: edited(found, role) for role in found.edits()},
            "provenance": dict(found.provenance),
        }
        if as_json:
            typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        else:
            show_profile(facts)


@contextmanager
def _reported(verb: str) -> Iterator[None]:
    """Errors meant for the user become one line and exit code 1; Ctrl-C exits quietly."""
    try:
        yield
    except (LangsteerError, OSError) as error:
        typer.echo(f"langsteer {verb}: {error}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        typer.echo(f"langsteer {verb}: interrupted", err=True)
        raise typer.Exit(130) from None


def _choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(choices)}", param_hint=option)


def _tags(languages: str | None) -> list[str]:
    from profiles.language import check_tag

    tags = [check_tag(tag) for tag in (languages or "").split(",") if tag.strip()]
    return [*dict.fromkeys(tags)]


def _load(model: str, precision: str, quiet: bool) -> LoadedModel:
    _choice("--precision", precision, ("auto", "bf16", "fp32"))
    from profiles.models.model import load_model
    from profiles.models.resolve import resolve_model

    folder = resolve_model(model, (lambda _line: None) if quiet else None)
    with _stages(quiet)(f"loading {model}"):
        return load_model(folder, model, precision)  # type: ignore[arg-type]


def _stages(quiet: bool) -> Stage:
    from profiles.progress import progress

    def stage(title: str) -> AbstractContextManager[Any]:
        return progress(title, quiet)

    return stage
