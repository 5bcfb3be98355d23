"""`langsteer scores`."""

from __future__ import annotations

import json
import time
from collections.abc import Sequence
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
    choice,
    load,
    read_text,
    reported,
    stages,
)
from profiles.finding.score import SCORES
from profiles.versions import versions

if TYPE_CHECKING:
    from profiles.corpora.corpus import Corpus
    from profiles.finding.activations import Activations
    from profiles.profile import Floats

# Attribution asks what an edit of a neuron would do, and only FFN neurons are edited.
_SCORES = tuple(score for score in SCORES if score != "attribution")
_SITES = ("ffn", "attention", "mlp-linear", "all-linear")


def scores(
    model: Model,
    site: Annotated[
        str,
        typer.Option(
            help=f"Whose responses: {', '.join(_SITES)}. `ffn` is what profiles edit; the others "
            "are outputs of linear layers, `all-linear` those of Kojima et al. 2024."
        ),
    ] = "ffn",
    score: Annotated[str, typer.Option(help=f"What ranks the units: {', '.join(_SCORES)}.")] = "ap",
    corpus: Source = "starter",
    languages: Languages = None,
    units: Annotated[
        int, typer.Option(min=1, help="How many of the best, and of the worst, to report.")
    ] = 1000,
    out: Annotated[
        Path | None, typer.Option(help="JSON file that lists them all.", dir_okay=False)
    ] = None,
    limit: Limit = None,
    columns: Columns = None,
    memory: Memory = 2.0,
    precision: Precision = "auto",
    down_projection: Down = None,
    as_json: Json = False,
) -> None:
    """Score a model's units by language and say in which layers the best are. Makes no profile."""
    choice("--site", site, _SITES)
    choice("--score", score, _SCORES)
    with reported("scores"):
        from profiles.console import show_scores
        from profiles.finding.activations import record
        from profiles.finding.score import score_neurons

        text, wanted = read_text(corpus, languages, limit, columns)
        loaded = load(model, precision, as_json)
        begun = time.monotonic()
        with stages(as_json)("reading the corpus") as show:
            activations = record(
                loaded,
                text,
                site=site,  # type: ignore[arg-type]
                down_projection=down_projection,
                memory_limit=round(memory * 2**30),
                progress=show,
            )
        read = time.monotonic()
        with stages(as_json)(f"scoring units ({score})"):
            found = score_neurons(score, activations, None)  # type: ignore[arg-type]
        facts = {
            "model": loaded.identity.name,
            "site": site,
            **_account(score, activations, found, text, wanted, units),
            "seconds": {
                "activations": round(read - begun, 2),
                "scores": round(time.monotonic() - read, 2),
            },
        }
        # Thousands of units are listed: a line each number would be unreadable too.
        line = json.dumps(facts, ensure_ascii=False)
        if out:
            out.parent.mkdir(parents=True, exist_ok=True)
            out.write_text(line + "\n", encoding="utf-8")
        if as_json:
            typer.echo(line)
        else:
            show_scores(facts, out)


def _account(
    score: str,
    activations: Activations,
    found: Floats,
    text: Corpus,
    wanted: Sequence[str],
    units: int,
) -> dict[str, Any]:
    from profiles.finding.distribution import distribution
    from profiles.finding.histogram import score_histogram
    from profiles.summary import amount, overlap

    count = max(1, min(units, found[0].size // 2))
    rows, best = [], []
    for language in wanted:
        index = activations.languages.index(language)
        ranked = _ranked(found[index], count)
        # LAPE is 0 for whatever is not specific to the language: its worst are any of those.
        ends = {"best": ranked[0]} | ({} if score == "lape" else {"worst": ranked[1]})
        best.append(ranked[0])
        rows.append(
            {
                **amount(activations, language),
                "scores": score_histogram(score, found[index]),
                **{
                    end: distribution(found[index], chosen, activations.parts)
                    for end, chosen in ends.items()
                },
            }
        )
    return {
        "score": score,
        "corpus": {
            "source": text.source,
            "sha256": text.digest,
            "languages": list(activations.languages),
        },
        "warnings": list(text.warnings),
        "layers": found.shape[1],
        "projections": dict(activations.parts),
        "counted": count,
        "languages": rows,
        "overlap": overlap(list(wanted), best),
        "versions": versions(),
    }


def _ranked(scores: Floats, count: int) -> tuple[Any, Any]:
    """The `count` best flat units, best first, and the `count` worst, worst first."""
    import numpy as np

    order = np.argsort(-scores.reshape(-1), kind="stable")
    return order[:count], order[::-1][:count]
