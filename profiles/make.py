"""Model + corpus → a profile per language: the steps of `langsteer profile` in order."""

from __future__ import annotations

import platform
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import numpy as np

from profiles.corpora.corpus import Corpus
from profiles.finding.activations import Activations, record
from profiles.finding.scores import average_precision
from profiles.finding.select import mean_difference, select_best, select_extremes, set_to_median
from profiles.learning.learn import Options, Progress, learn_offsets
from profiles.learning.prefixes import Role
from profiles.models.model import LoadedModel
from profiles.profile import Edit, Floats, Profile
from profiles.progress import Stage
from profiles.recipe import Recipe

# How many of a language's best detectors a profile names: (layer, neuron, average precision).
_LISTED = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """What `make_profiles` made, and what it made it from.

    Attributes:
        profiles: one a language.
        activations: see `Activations`.
        scores: float32 [languages, layers, neurons], average precision; the languages are
            those of the activations.
        seconds: by stage.
    """

    profiles: Sequence[Profile]
    activations: Activations
    scores: Floats
    seconds: Mapping[str, float] = field(default_factory=dict)


def make_profiles(
    loaded: LoadedModel,
    corpus: Corpus,
    languages: Sequence[str],
    recipe: Recipe,
    stage: Stage,
    *,
    suppress: Collection[str] | None = None,
    down_projection: str | None = None,
) -> Made:
    """Profiles of `languages`; all of the corpus's languages serve as contrast.

    Args:
        loaded: the model.
        corpus: text of `languages` and others.
        languages: which to make, as tagged in the corpus.
        recipe: what an edit is made of.
        stage: shows progress.
        suppress: those of `languages` that also get a suppress edit; all of them if None.
        down_projection: see `find_ffns`.

    Raises:
        CorpusError, ModelError: see `record`.
    """
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(name: str, title: str) -> Iterator[Callable[[int, int], None]]:
        begun = time.monotonic()
        with stage(title) as show:
            yield show
        seconds[name] = round(time.monotonic() - begun, 2)

    with timed("activations", "reading the corpus") as show:
        activations = record(loaded, corpus, down_projection=down_projection, progress=show)
    count, layers, width = activations.means.shape
    with timed("scores", "scoring neurons"):
        flat = activations.means.reshape(count, layers * width)
        scores = average_precision(flat, activations.labels, len(activations.languages))
    denied = languages if suppress is None else suppress
    jobs: list[tuple[str, Role]] = []
    for language in languages:
        jobs.append((language, "target"))
        if language in denied:
            jobs.append((language, "suppress"))
    with timed("edits", f"making edits ({recipe.method})") as show:
        edits: dict[str, dict[str, Edit]] = {language: {} for language in languages}
        learning: dict[str, dict[str, Any]] = {language: {} for language in languages}
        for done, (language, role) in enumerate(jobs):
            if recipe.method == "learned":
                learned = learn_offsets(
                    loaded.model,
                    loaded.tokenizer,
                    corpus.texts,
                    language,
                    role=role,
                    options=Options(steps=recipe.steps),
                    progress=_steps(show, done, len(jobs)),
                    down_projection=down_projection,
                )
                edits[language][role] = learned.edit
                learning[language][role] = asdict(learned.report)
            else:
                index = activations.languages.index(language)
                edits[language][role] = _edit(recipe, role, activations, scores, index)
                show(done + 1, len(jobs))
    profiles = [
        Profile(
            language=language,
            model=loaded.identity,
            target=edits[language]["target"],
            suppress=edits[language].get("suppress"),
            provenance={
                **_provenance(recipe, corpus, activations, scores, language),
                "learning": learning[language],
            },
        )
        for language in languages
    ]
    return Made(
        profiles=profiles,
        activations=activations,
        scores=scores.reshape(-1, layers, width),
        seconds=seconds,
    )


def _steps(show: Callable[[int, int], None], done: int, of: int) -> Progress:
    """Progress of one learned edit as a part of all of them."""

    def progress(step: int, steps: int, _loss: float, _held: float) -> None:
        show(done * steps + step, of * steps)

    return progress


def _edit(recipe: Recipe, role: Role, activations: Activations, scores: Floats, index: int) -> Edit:
    mine = activations.labels == index
    neurons = offsets = None
    if recipe.neurons_of(role):
        count = recipe.neurons_of(role)
        if role == "target":
            neurons = set_to_median(activations.means, select_extremes(scores[index], count), mine)
        else:
            neurons = set_to_median(activations.means, select_best(scores[index], count), ~mine)
    if gain := recipe.gain_of(role):
        layers = range(activations.means.shape[1])
        offsets = mean_difference(activations.output_mean, index, layers, gain)
    return Edit(neurons=neurons, offsets=offsets)


def _provenance(
    recipe: Recipe, corpus: Corpus, activations: Activations, scores: Floats, language: str
) -> dict[str, Any]:
    index = activations.languages.index(language)
    width = activations.means.shape[2]
    return {
        "method": recipe.method,
        "parameters": asdict(recipe),
        "site": "input of the FFN's down projection; output of the FFN before any post-FFN norm",
        "corpus": {
            "source": corpus.source,
            "sha256": corpus.digest,
            "languages": list(activations.languages),
            "sentences": int((activations.labels == index).sum()),
            "tokens": int(activations.tokens[index]),
        },
        "language_neurons": [
            [int(flat) // width, int(flat) % width, round(float(scores[index, flat]), 4)]
            for flat in np.argsort(-scores[index], kind="stable")[:_LISTED]
        ],
        "versions": versions(),
    }


def versions() -> dict[str, str]:
    """Of Python and the libraries the figures depend on."""
    out = {"python": platform.python_version()}
    for name in ("langsteer", "torch", "transformers", "numpy"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            out[name] = "not installed"
    return out
