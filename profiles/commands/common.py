"""What the offline verbs share: arguments, loading, progress, errors as one line."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import TYPE_CHECKING, Annotated, Any

import typer

from profiles.errors import CorpusError, LangsteerError

if TYPE_CHECKING:
    from profiles.corpora.corpus import Corpus
    from profiles.models.model import LoadedModel
    from profiles.progress import Stage

Model = Annotated[str, typer.Argument(metavar="MODEL", help="Folder, hub id, or `demo`.")]
Languages = Annotated[
    str | None, typer.Option(help="Comma-separated tags, e.g. de,ja,zh; all by default.")
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON on standard output, nothing else.")]
Precision = Annotated[str, typer.Option(help="Of the weights: auto, bf16 or fp32.")]
_TEXT = "Text"
Source = Annotated[
    str,
    typer.Option(
        help="Folder of <language>.txt, .jsonl file, dataset id, or `starter`.",
        rich_help_panel=_TEXT,
    ),
]
Limit = Annotated[
    int | None, typer.Option(min=1, help="Sentences read a language.", rich_help_panel=_TEXT)
]
Columns = Annotated[
    str | None,
    typer.Option(
        help="Columns of a table of translations, e.g. de=sentence_deu,en=sentence_eng.",
        rich_help_panel=_TEXT,
    ),
]
Memory = Annotated[
    float,
    typer.Option(
        min=0.01,
        help="GiB of neuron responses to hold; more go to a temporary file.",
        rich_help_panel="Speed and scale",
    ),
]
Down = Annotated[
    str | None,
    typer.Option(help="Path of the FFN's down projection in a layer, for unknown architectures."),
]


@contextmanager
def reported(verb: str) -> Iterator[None]:
    """Errors meant for the user become one line and exit code 1; Ctrl-C exits quietly."""
    try:
        yield
    except (LangsteerError, OSError) as error:
        from profiles.report.clean import clean

        # What it quotes may be from a file, and hold what a terminal would obey.
        typer.echo(f"langsteer {verb}: {clean(str(error))}", err=True)
        raise typer.Exit(1) from error
    except KeyboardInterrupt:
        typer.echo(f"langsteer {verb}: interrupted", err=True)
        raise typer.Exit(130) from None


def choice(option: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise typer.BadParameter(f"{value!r} is not one of {', '.join(choices)}", param_hint=option)


def given(context: typer.Context, name: str) -> bool:
    """Whether the command line has the option: defaults and environment are no wishes."""
    source = context.get_parameter_source(name)
    return source is not None and source.name == "COMMANDLINE"


def flag(context: typer.Context, name: str) -> str:
    """The option as it is typed."""
    option = next(p for p in context.command.params if p.name == name)
    return option.opts[0]


def tags(languages: str | None) -> list[str]:
    from profiles.language import check_tag

    tags = [check_tag(tag) for tag in (languages or "").split(",") if tag.strip()]
    return [*dict.fromkeys(tags)]


def within(
    wanted: list[str], known: Collection[str], error: type[LangsteerError], lacks: str
) -> list[str]:
    """`wanted`, if all of it is known; an error that begins with `lacks` otherwise."""
    if missing := [tag for tag in wanted if tag not in known]:
        raise error(f"{lacks} {', '.join(missing)}; there is {', '.join(known)}")
    return wanted


def read_text(
    source: str,
    languages: str | None,
    limit: int | None,
    columns: str | None,
    *,
    only: bool = False,
) -> tuple[Corpus, list[str]]:
    """(the corpus with all of its languages, those of them that were asked for).

    Args:
        source, limit, columns: see `read_corpus`.
        languages: comma-separated tags; None for all.
        only: read no other languages than those.

    Raises:
        CorpusError: it cannot be read, or lacks one of them.
    """
    from profiles.corpora.corpus import read_corpus

    wanted = tags(languages)
    named = (wanted or None) if only else wanted if "{language}" in source else None
    text = read_corpus(source, named, limit=limit, columns=_columns(columns))
    within(wanted, text.texts, CorpusError, f"{source} has no text in")
    return text, wanted or [*text.texts]


def _columns(given: str | None) -> dict[str, str] | None:
    if given is None:
        return None
    pairs = [pair.partition("=") for pair in given.split(",")]
    if not all(tag and column for tag, _, column in pairs):
        raise CorpusError(f"--columns {given!r}: expected e.g. de=sentence_deu,en=sentence_eng")
    return {tag.strip(): column.strip() for tag, _, column in pairs}


def load(model: str, precision: str, quiet: bool, *, weights: bool = True) -> LoadedModel:
    choice("--precision", precision, ("auto", "bf16", "fp32"))
    from profiles.models.memory import keep_freed_memory
    from profiles.models.model import load_model
    from profiles.models.resolve import resolve_model

    keep_freed_memory()
    folder = resolve_model(model, (lambda _line: None) if quiet else None)
    with stages(quiet)(f"loading {model}"):
        return load_model(folder, model, precision, weights=weights)  # type: ignore[arg-type]


def stages(quiet: bool) -> Stage:
    from profiles.progress import progress

    def stage(title: str) -> AbstractContextManager[Any]:
        return progress(title, quiet)

    return stage
