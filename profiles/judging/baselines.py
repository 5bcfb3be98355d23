"""What a profile has to beat: instructions, biased logits, and published edits."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Literal

import numpy as np
from torch import Tensor

from profiles.corpora.corpus import Corpus
from profiles.finding.activations import Activations, record
from profiles.finding.closed import closed_edit
from profiles.finding.edits import ablate
from profiles.finding.lape import lape
from profiles.finding.score import score_neurons
from profiles.judging import instructions
from profiles.judging.condition import SkippedError
from profiles.judging.logit_bias import biased, count_tokens, logit_bias
from profiles.judging.method import Method
from profiles.judging.residual import best_place, difference, residual_means, shifted
from profiles.models.architecture import find_ffns, is_mixture
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel
from profiles.profile import Edit, Floats, NeuronEdit
from profiles.progress import Stage
from profiles.recipe import Recipe

Role = Literal["target", "suppress"]
_MEAN_LINES, _TUNING_LINES = 100, 8


class Bench:
    """Makes the baselines' methods; what several languages share is made once.

    Args:
        loaded: the unedited model; None where only a server has it.
        corpus: text to make edits from, as profiles are; never the evaluation text.
        stage: shows progress.
        down_projection: see `find_ffns`.
    """

    def __init__(
        self,
        loaded: LoadedModel | None,
        corpus: Corpus,
        stage: Stage,
        down_projection: str | None = None,
    ) -> None:
        self._loaded, self.corpus, self._stage = loaded, corpus, stage
        self._down = down_projection

    def method(self, name: str, language: str, role: Role = "target") -> Method:
        """The baseline `name` for a language.

        Raises:
            SkippedError: it does not apply; says why.
        """
        return BASELINES[name].make(self, language, role)

    @property
    def model(self) -> LoadedModel:
        """The model, for baselines that change it."""
        if self._loaded is None:
            raise SkippedError("it changes the model itself, which a server does not offer")
        return self._loaded

    def edit(self, name: str, neurons: NeuronEdit) -> Method:
        """A method that edits as a profile would."""
        model, edit = self.model.model, Edit(neurons=neurons)
        return Method(name=name, apply=lambda: edited(model, edit, down_projection=self._down))

    def read(self, language: str) -> None:
        """Make sure that the corpus has text in `language`."""
        if language not in self.corpus.texts:
            raise SkippedError(f"{self.corpus.source} has no text in {language}")

    @cached_property
    def activations(self) -> Activations:
        """What the model's neurons do on the corpus."""
        if is_mixture(find_ffns(self.model.model, self._down)):
            raise SkippedError("it edits neurons, and the model is a mixture of experts")
        with self._stage("reading the corpus for the baselines") as show:
            return record(self.model, self.corpus, down_projection=self._down, progress=show)

    @cached_property
    def average_precision(self) -> Floats:
        """Of every neuron as a detector, float32 [languages, layers, neurons]."""
        with self._stage("scoring neurons for the baselines"):
            return score_neurons("ap", self.activations)

    @cached_property
    def means(self) -> Mapping[str, Tensor]:
        """Mean residual streams, see `residual_means`."""
        texts = {tag: own[:_MEAN_LINES] for tag, own in self.corpus.texts.items()}
        with self._stage("residual means"):
            return residual_means(self.model, texts)

    @cached_property
    def token_counts(self) -> Mapping[str, Mapping[int, int]]:
        """Token frequencies by language."""
        tokenizer = self.model.tokenizer
        return {tag: count_tokens(tokenizer, own) for tag, own in self.corpus.texts.items()}

    @cached_property
    def pieces(self) -> list[str]:
        """The text of each token id the model's head knows."""
        size = self.model.model.get_output_embeddings().weight.shape[0]
        known = min(size, len(self.model.tokenizer))
        return [str(p) for p in self.model.tokenizer.batch_decode([[i] for i in range(known)])]


@dataclass(frozen=True, kw_only=True)
class Baseline:
    """A kind of method to compare with.

    Attributes:
        name: what the option calls it.
        about: one line for documentation.
        make: makes it for a language; raises SkippedError where it does not apply.
    """

    name: str
    about: str
    make: Callable[[Bench, str, Role], Method]


def _instruction(bench: Bench, language: str, role: Role) -> Method:
    ask = instructions.instruction if role == "target" else instructions.prohibition
    if (text := ask(language)) is None:
        raise SkippedError(f"no English name of {language} is known")
    return Method(name="instruction", instruction=text)


def _native(bench: Bench, language: str, role: Role) -> Method:
    if role != "target" or (text := instructions.native_instruction(language)) is None:
        raise SkippedError(f"no instruction in {language} is known")
    return Method(name="instruction-native", instruction=text)


def _logit_bias(bench: Bench, language: str, role: Role) -> Method:
    model = bench.model.model
    bench.read(language)
    bias = logit_bias(bench.token_counts, bench.pieces, language)
    if role == "suppress":
        bias = -bias.clamp_min(0)
    return Method(name="logit-bias", apply=lambda: biased(model, bias))


def _ap_median(bench: Bench, language: str, role: Role) -> Method:
    bench.read(language)
    activations = bench.activations
    index = activations.languages.index(language)
    edit = closed_edit(Recipe(method="scored"), role, activations, bench.average_precision, index)
    if edit is None or edit.neurons is None:
        raise SkippedError(f"the recipe has no edit of role {role}")
    return bench.edit("ap-median", edit.neurons)


def _lape(bench: Bench, language: str, role: Role) -> Method:
    bench.read(language)
    activations = bench.activations
    chosen = lape(activations.token_active).chosen
    own = chosen[activations.languages.index(language)]
    neurons = np.flatnonzero(own if role == "suppress" else chosen.any(axis=0) & ~own)
    if not len(neurons):
        raise SkippedError(f"it finds no neurons to ablate for {language}")
    return bench.edit("lape", ablate(neurons, own.shape[-1]))


def _residual(bench: Bench, language: str, role: Role) -> Method:
    loaded, texts = bench.model, bench.corpus.texts
    if language not in texts or "en" not in texts or language == "en":
        raise SkippedError(f"{bench.corpus.source} has no text in {language} and English")
    # The last lines, which had no part in the means.
    english, own = texts["en"][-_TUNING_LINES:], texts[language][-_TUNING_LINES:]
    before, after = (english, own) if role == "target" else (own, english)
    pairs = [(f"{a}\n\n", b) for a, b in zip(before, after, strict=False)]
    sign = 1.0 if role == "target" else -1.0
    vectors = sign * difference(bench.means, language)
    layer, gain = best_place(loaded, vectors, pairs)
    vector = gain * vectors[layer]
    return Method(name="residual", apply=lambda: shifted(loaded, layer, vector))


BASELINES: dict[str, Baseline] = {
    b.name: b
    for b in (
        Baseline(
            name="instruction",
            about='"Answer in German." before the text, or in the user\'s turn',
            make=_instruction,
        ),
        Baseline(name="instruction-native", about="the same, in the language itself", make=_native),
        Baseline(
            name="logit-bias",
            about="a constant bias on the tokens of the language and its script",
            make=_logit_bias,
        ),
        Baseline(
            name="ap-median",
            about="the neurons of extreme average precision set to their median "
            "(Kojima et al. 2024)",
            make=_ap_median,
        ),
        Baseline(
            name="lape",
            about="the other languages' neurons of low entropy set to zero; to suppress, the "
            "language's own (Tang et al. 2024)",
            make=_lape,
        ),
        Baseline(
            name="residual",
            about="the mean difference added to the residual stream of the best of three layers, "
            "with the best of three gains",
            make=_residual,
        ),
    )
}
