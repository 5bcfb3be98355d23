"""A learned edit from beginning to end: memories, offset or its neurons, then the strength."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import asdict, dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

from profiles.learning.calibrate import Calibrated, Calibration, calibrate
from profiles.learning.checkpoints import Checkpoints
from profiles.learning.decompose import decompose, express
from profiles.learning.frontier import Frontier, choose_budget
from profiles.learning.job import Learned
from profiles.learning.learn import check_lines, learn
from profiles.learning.learnable import Learnable
from profiles.learning.memories import LearnableMemories
from profiles.learning.neurons import LearnableNeurons
from profiles.learning.offsets import LearnableOffsets
from profiles.learning.options import Options
from profiles.learning.own_text import own_text
from profiles.learning.prefixes import Lines, Own, Role
from profiles.learning.pruned import PRUNED
from profiles.models.architecture import find_dense_ffns, find_ffns
from profiles.models.ffn import DenseFFN
from profiles.models.model import LoadedModel
from profiles.models.values import value_vectors
from profiles.profile import Edit
from profiles.recipe import Recipe

# Learning what is added to outputs is most of the work, its neurons as much again, the others a
# little.
_OWN_TEXT = _CALIBRATION = 0.25


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedEdit:
    """An edit, and an account of how it came about, JSON-serialisable."""

    edit: Edit
    account: dict[str, Any]


@dataclass(frozen=True, kw_only=True)
class Procedure:
    """Learns edits of one model from one text, for any of its languages.

    Attributes:
        loaded: the model.
        train, held: text to learn from, and to stop and calibrate by.
        recipe: its method is one of `LEARNED`.
        options: of learning; the recipe's steps and seconds come first.
        calibration: see `calibrate`.
        folder: where checkpoints are kept, so that a later call goes on where one was
            interrupted; None for none.
        down_projection: see `find_ffns`.
    """

    loaded: LoadedModel
    train: Lines
    held: Lines
    recipe: Recipe
    options: Options = field(default_factory=Options)
    calibration: Calibration = field(default_factory=Calibration)
    folder: Path | None = None
    down_projection: str | None = None
    _kept: dict[Role, Own] = field(default_factory=dict, init=False, repr=False)

    def __call__(
        self, language: str, role: Role, progress: Callable[[float], None] | None = None
    ) -> LearnedEdit:
        """The edit towards `language`, or away from it; `progress` gets shares from 0 to 1.

        Raises:
            CorpusError, ModelError: see `learn`, `value_vectors`, `LearnableMemories` and, for
                what takes neurons, `find_dense_ffns`.
        """
        sparse = role == "target" and self.recipe.method == "neurons"
        budgets = sorted(self.recipe.budgets) if sparse else [0.0]
        tail = sparse + (_CALIBRATION if self.recipe.calibrate else 0)
        factors = role == "suppress" and self.recipe.learns_factors
        before = 0.0 if factors else _OWN_TEXT
        whole = before + 1 + len(budgets) * tail

        def stage(before: float, size: float) -> Callable[..., None]:
            def show(done: int, of: int, *_: float) -> None:
                if progress:
                    progress((before + size * done / of) / whole)

            return show

        check_lines(self.train, self.held, language)
        account: dict[str, Any] = {}
        own: Own = {}
        if factors:
            learned = self._factors(language, stage(0, 1), account)
        else:
            own = self._own(language, role, stage(0, before))
            account["own_texts"] = sum(map(len, own.values()))
            learned = self._outputs(language, role, own, stage(before, 1), account)
        before += 1
        found: list[LearnedEdit] = []
        frontiers: list[Frontier] = []
        for budget in budgets:
            mine, edit = dict(account), learned.edit
            if sparse:
                edit = self._neurons(learned, budget, language, own, stage(before, 1), mine).edit
            if self.recipe.calibrate:
                show = stage(before + sparse, _CALIBRATION)
                done = self._calibrate(edit, language, role, show)
                edit, mine["calibration"] = done.edit, asdict(done.frontier)
                frontiers.append(done.frontier)
            found.append(LearnedEdit(edit=edit, account=mine))
            before += tail
        if len(found) == 1:
            return found[0]
        best = found[choose_budget(frontiers)]
        # All the frontiers, so that a user can choose otherwise.
        tried = [
            {
                "budget": one.account["neurons"]["budget"],
                "count": one.account["neurons"]["count"],
                "calibration": one.account["calibration"],
            }
            for one in found
        ]
        return LearnedEdit(edit=best.edit, account={**best.account, "budgets": tried})

    def calibrated(
        self, edit: Edit, language: str, role: Role, progress: Callable[[float], None]
    ) -> LearnedEdit:
        """A given edit, e.g. in closed form, at the strength that is best for it."""
        done = self._calibrate(edit, language, role, lambda done, of: progress(done / of))
        return LearnedEdit(edit=done.edit, account={"calibration": asdict(done.frontier)})

    def _calibrate(
        self, edit: Edit, language: str, role: Role, show: Callable[[int, int], None]
    ) -> Calibrated:
        return calibrate(
            self.loaded,
            edit,
            self.held,
            language,
            role,
            self.calibration,
            progress=show,
            down_projection=self.down_projection,
        )

    @property
    def _dense(self) -> list[DenseFFN]:
        return find_dense_ffns(self.loaded.model, self.down_projection)

    def _count(self, budget: float) -> int:
        ffns = self._dense
        return max(1, round(budget * len(ffns) * ffns[0].intermediate_size))

    def _own(self, language: str, role: Role, show: Callable[[int, int], None]) -> Own:
        count, seed = self.options.own_texts[role], self.recipe.seed
        if role == "target":
            return own_text(self.loaded, self.train, [language], count, seed, show)
        # That of all languages at once, whichever is left, so that a run needs it only once.
        if role not in self._kept:
            found = own_text(self.loaded, self.train, [*self.train], count, seed, show)
            self._kept[role] = found
        return {name: texts for name, texts in self._kept[role].items() if name != language}

    def _outputs(
        self,
        language: str,
        role: Role,
        own: Own,
        show: Callable[..., None],
        account: dict[str, Any],
    ) -> Learned:
        ffns = find_ffns(self.loaded.model, self.down_projection)
        kind, learnable = (
            ("memory", LearnableMemories(ffns))
            if self.recipe.method == "learned"
            else ("offset", LearnableOffsets(ffns))
        )
        learned = self._learn(learnable, kind, language, role, own, show)
        account[kind] = asdict(learned.report)
        return learned

    def _neurons(
        self,
        offset: Learned,
        budget: float,
        language: str,
        own: Own,
        show: Callable[..., None],
        account: dict[str, Any],
    ) -> Learned:
        assert offset.edit.offsets
        values = [value_vectors(ffn) for ffn in self._dense]
        count, selection = self._count(budget), self.recipe.selection
        found: dict[str, Any] = {"count": count, "budget": budget, "selection": selection}
        if selection == "pursuit":
            few = decompose(offset.edit.offsets, values, offset.sizes, count)
            found["residual"] = round(few.residual, 4)
            learnable, begin = LearnableNeurons(self._dense, few.neurons), few.neurons
        else:
            learnable, begin = PRUNED[selection](self._dense), express(offset.edit.offsets, values)
        learned = self._learn(
            learnable,
            f"neurons-{selection}-{budget:g}",
            language,
            "target",
            own,
            show,
            init=Edit(neurons=begin),
            budget=None if selection == "pursuit" else count,
        )
        account["neurons"] = found | asdict(learned.report)
        return learned

    def _factors(
        self, language: str, show: Callable[..., None], account: dict[str, Any]
    ) -> Learned:
        selection = self.recipe.suppress_selection
        learnable = PRUNED[selection](self._dense, gains=True, additions=False)
        count = self._count(self.recipe.suppress_budget)
        kind = f"factors-{selection}-{self.recipe.suppress_budget:g}"
        learned = self._learn(learnable, kind, language, "suppress", {}, show, budget=count)
        account["factors"] = {
            "count": len(learned.edit.neurons or ()),
            "selection": selection,
            **asdict(learned.report),
        }
        return learned

    def _learn(
        self,
        learnable: Learnable,
        kind: str,
        language: str,
        role: Role,
        own: Own,
        show: Callable[..., None],
        *,
        init: Edit | None = None,
        budget: int | None = None,
    ) -> Learned:
        options = Options(
            **asdict(self.options) | {"steps": self.recipe.steps, "seconds": self.recipe.seconds}
        )
        return learn(
            self.loaded.model,
            self.loaded.tokenizer,
            self.train,
            self.held,
            language,
            learnable,
            role=role,
            own=own,
            options=options,
            init=init,
            budget=budget,
            seed=self.recipe.seed,
            progress=show,
            checkpoint=self._checkpoints.of(kind, language, role, options, init),
        )

    @cached_property
    def _checkpoints(self) -> Checkpoints:
        return Checkpoints(
            self.folder,
            self.loaded,
            (self.train, self.held),
            seed=self.recipe.seed,
            down_projection=self.down_projection,
        )

    def forget(self, languages: Iterable[str]) -> None:
        """Remove the checkpoints of edits that are stored, and the folder once it is empty."""
        self._checkpoints.forget(languages)
