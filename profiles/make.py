"""Model + corpus → a profile per language: the steps of `langsteer profile` in order."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from profiles.corpora.corpus import Corpus
from profiles.corpora.split import split_for_learning
from profiles.errors import CorpusError
from profiles.finding.activations import Activations, record, record_through
from profiles.finding.attribution import attribute
from profiles.finding.backend import Backend
from profiles.finding.closed import closed_edit
from profiles.finding.histogram import score_histogram
from profiles.finding.responses import MEMORY_LIMIT
from profiles.finding.score import score_neurons
from profiles.learning.calibrate import EVEN, HIGH, Calibration
from profiles.learning.memories import LearnableMemories
from profiles.learning.prefixes import Role
from profiles.learning.procedure import Procedure
from profiles.models.architecture import find_dense_ffns, find_ffns, is_mixture
from profiles.models.memory import give_back_freed_memory
from profiles.models.model import LoadedModel
from profiles.profile import Edit, Floats, Profile
from profiles.progress import Stage
from profiles.recipe import ON_OUTPUTS, Recipe
from profiles.versions import versions

_NO_NEURONS = (
    "the model is a mixture of experts: its profiles add offsets to FFN outputs, towards their "
    "languages, and suppress none, which takes neurons with this method and not with `learned`"
)
# How many of a language's best detectors a profile names: (layer, neuron, score).
_LISTED = 20


@dataclass(frozen=True, kw_only=True, eq=False)
class Made:
    """What `make_profiles` made, and what it made it from.

    Attributes:
        profiles: one a language.
        activations: see `Activations`; None of a mixture of experts, which has no neurons to read.
        scores: float32 [languages, layers, neurons], by the recipe's score; the languages are
            those of the activations. None without them.
        seconds: by stage.
        warnings: what the user would miss.
    """

    profiles: Sequence[Profile]
    activations: Activations | None
    scores: Floats | None
    seconds: Mapping[str, float] = field(default_factory=dict)
    warnings: Sequence[str] = ()


def make_profiles(
    loaded: LoadedModel,
    corpus: Corpus,
    languages: Sequence[str],
    recipe: Recipe,
    stage: Stage,
    *,
    suppress: Collection[str] | None = None,
    down_projection: str | None = None,
    backend: Backend | None = None,
    memory_limit: int = MEMORY_LIMIT,
    folder: Path | None = None,
    keep: bool = False,
    finished: Callable[[Profile], object] = lambda _profile: None,
) -> Made:
    """Profiles of `languages`; all of the corpus's languages serve as contrast.

    Args:
        loaded: the model.
        corpus: text of `languages` and others.
        languages: which to make, as tagged in the corpus.
        recipe: what an edit is made of.
        stage: shows progress.
        suppress: those of `languages` that also get a suppress edit; all of them if None, and
            none of a mixture of experts where that takes neurons.
        down_projection: see `find_ffns`.
        backend: runs the model over the corpus instead of `loaded`.
        memory_limit: bytes of responses above which they go to a temporary file.
        folder: where learning keeps its checkpoints; none are kept if None.
        keep: leave them there once all profiles are made.
        finished: called with each profile as soon as it is made.

    Raises:
        CorpusError, ModelError: see `record` and `learn`.
        ModelError: neurons are asked for, and the model is a mixture of experts; or memories, and
            it has no module that gets an FFN's input.
    """
    mixture = _is_mixture(loaded, recipe, suppress, down_projection)
    seconds: dict[str, float] = {}

    @contextmanager
    def timed(name: str, title: str) -> Iterator[Callable[[int, int], None]]:
        begun = time.monotonic()
        with stage(title) as show:
            yield show
        seconds[name] = round(time.monotonic() - begun, 2)

    train, held = split_for_learning(corpus, recipe.seed)

    def read() -> tuple[Activations, Floats]:
        with timed("activations", "reading the corpus") as show:
            activations = (
                record(
                    loaded,
                    corpus,
                    down_projection=down_projection,
                    memory_limit=memory_limit,
                    progress=show,
                )
                if backend is None
                else record_through(
                    backend, loaded.tokenizer, corpus, memory_limit=memory_limit, progress=show
                )
            )
        with timed("scores", f"scoring neurons ({recipe.score})"):
            scores = score_neurons(
                recipe.score,
                activations,
                lambda language, scale: attribute(
                    loaded,
                    train.texts,
                    language,
                    scale,
                    seed=recipe.seed,
                    down_projection=down_projection,
                ),
            )
        return activations, scores

    found = None if mixture else read()
    teach = Procedure(
        loaded=loaded,
        train=train.texts,
        held=held.texts,
        recipe=recipe,
        calibration=_calibration(recipe),
        folder=folder,
        down_projection=down_projection,
    )
    denied = suppress if suppress is not None else languages
    if mixture and recipe.learns_factors:
        denied = ()
    profiles: list[Profile] = []
    with timed("edits", f"making edits ({recipe.method})") as show:
        jobs = len(languages) + sum(language in denied for language in languages)
        done = 0
        for language in languages:
            edits: dict[str, Edit] = {}
            accounts: dict[str, Any] = {}
            roles: list[Role] = ["target", "suppress"] if language in denied else ["target"]
            for role in roles:
                if recipe.learns:
                    learned = teach(language, role, _part(show, done, jobs))
                    edits[role], accounts[role] = learned.edit, learned.account
                else:
                    assert found, "closed forms of a mixture were refused"
                    index = found[0].languages.index(language)
                    edit = closed_edit(recipe, role, *found, index)
                    if edit and recipe.calibrate:
                        learned = teach.calibrated(edit, language, role, _part(show, done, jobs))
                        edit, accounts[role] = learned.edit, learned.account
                    edits |= {role: edit} if edit else {}
                done += 1
                show(done, jobs)
            if not edits:
                raise CorpusError(
                    f"{recipe.change!r} only suppresses, and {language} is not to be suppressed"
                )
            provenance = _provenance(recipe, corpus, language)
            if found:
                provenance |= _findings(recipe, corpus, *found, language)
            profile = Profile(
                language=language,
                model=loaded.identity,
                target=edits.get("target"),
                suppress=edits.get("suppress"),
                provenance={**provenance, "learning": accounts},
            )
            finished(profile)
            profiles.append(profile)
            give_back_freed_memory()
    if not keep:
        teach.forget(languages)
    return Made(
        profiles=profiles,
        activations=found[0] if found else None,
        scores=found[1] if found else None,
        seconds=seconds,
        warnings=[_NO_NEURONS] if mixture and recipe.learns_factors else [],
    )


def _is_mixture(
    loaded: LoadedModel,
    recipe: Recipe,
    suppress: Collection[str] | None,
    down_projection: str | None,
) -> bool:
    """Whether only FFN outputs can be edited; before hours of work, refuses what cannot be."""
    if loaded.model is None:  # another backend has it, and refuses a mixture itself
        return False
    ffns = find_ffns(loaded.model, down_projection)
    if recipe.method == "learned":
        LearnableMemories(ffns)
    if not is_mixture(ffns):
        return False
    on_outputs = recipe.method in ON_OUTPUTS and not (suppress and recipe.learns_factors)
    if not on_outputs or recipe.score != Recipe.score:
        find_dense_ffns(loaded.model, down_projection)
    return True


def _calibration(recipe: Recipe) -> Calibration:
    if recipe.method == "learned":
        return Calibration(seed=recipe.seed)
    away = HIGH if recipe.learns_factors else EVEN
    return Calibration(seed=recipe.seed, strengths={"target": EVEN, "suppress": away})


def _part(show: Callable[[int, int], None], done: int, jobs: int) -> Callable[[float], None]:
    """Progress of one learned edit as a part of all of them, in thousandths."""
    return lambda share: show(round(1000 * (done + share)), 1000 * jobs)


def _provenance(recipe: Recipe, corpus: Corpus, language: str) -> dict[str, Any]:
    return {
        "method": recipe.method,
        "parameters": asdict(recipe),
        "site": "input of the FFN's down projection; output of the FFN before any post-FFN norm",
        "corpus": {
            "source": corpus.source,
            "sha256": corpus.digest,
            "languages": list(corpus.texts),
            "sentences": len(corpus.texts[language]),
        },
        "versions": versions(),
    }


def _findings(
    recipe: Recipe, corpus: Corpus, activations: Activations, scores: Floats, language: str
) -> dict[str, Any]:
    """What reading the model's neurons adds to a profile's provenance."""
    index = activations.languages.index(language)
    width = activations.means.shape[2]
    mine = scores[index].reshape(-1)
    return {
        "corpus": {
            "source": corpus.source,
            "sha256": corpus.digest,
            "languages": list(activations.languages),
            "sentences": int(activations.sentences[index]),
            "tokens": int(activations.tokens[index]),
        },
        "language_neurons": [
            [int(flat) // width, int(flat) % width, round(float(mine[flat]), 4)]
            for flat in np.argsort(-mine, kind="stable")[:_LISTED]
        ],
        "scores": score_histogram(recipe.score, scores[index]),
    }
