"""The steps of learning: gradients, pruning, looks at held-out text, checkpoints."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from profiles.errors import CorpusError
from profiles.learning.checkpoint import Checkpoint, State
from profiles.learning.learnable import Learnable
from profiles.learning.options import Options
from profiles.learning.targets import Batch, TextLoss
from profiles.profile import Edit

# Pruning lasts from the first to the second share of the budget; the rest is for settling.
_PRUNING = (0.2, 0.7)
# (step, of how many, training loss, held-out loss), losses in nats per token.
Progress = Callable[[int, int, float, float], None]


@dataclass(frozen=True, kw_only=True)
class Report:
    """What learning did; JSON-serialisable with `dataclasses.asdict`.

    Attributes:
        steps, seconds: spent.
        best_step: the step the edit is of.
        curve: (step, training loss, held-out loss), nats per token of target text.
    """

    steps: int
    seconds: float
    best_step: int
    curve: tuple[tuple[int, float, float], ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class Learned:
    """A learned edit and how it was learned.

    Attributes:
        edit, report: the two.
        sizes: float32 [layers], root mean square of each layer's FFN output.
    """

    edit: Edit
    report: Report
    sizes: Tensor


class Job:
    """Learns one edit, from wherever a checkpoint has it.

    Args:
        learnable: what is learned, open as a context manager.
        loss: of a batch.
        batch: the batch of a step; a function of the number alone, so that a resumed job sees
            what an uninterrupted one would.
        exam: held-out batches.
        options, budget, seed: see `learn`.
    """

    def __init__(
        self,
        learnable: Learnable,
        loss: TextLoss,
        batch: Callable[[int], Batch],
        exam: Sequence[Batch],
        options: Options,
        budget: int | None,
        seed: int,
    ) -> None:
        self._learnable, self._loss, self._batch = learnable, loss, batch
        self._exam, self._options, self._budget, self._seed = exam, options, budget, seed
        self._whole = learnable.count()
        self._optimizer = torch.optim.Adam(
            [{"params": [p]} for p in learnable.parameters()], betas=(0.9, 0.95)
        )

    def run(self, checkpoint: Checkpoint | None, progress: Progress | None) -> Learned:
        """All steps, or those that `checkpoint` does not have yet.

        Raises:
            CorpusError: nothing was learned.
        """
        state = (checkpoint and checkpoint.load()) or None
        state = self._fresh() if state is None else self._resumed(state)
        since = time.monotonic() - state.seconds
        spent = self._spent(state)
        value = state.curve[-1][1]
        while spent < 1 and not self._idle(state):
            if self._prune(spent):
                # What follows is measured against what the budget leaves.
                self._look(state, value)
            value = self._step(state.step, spent)
            state.step += 1
            state.seconds = time.monotonic() - since
            spent = self._spent(state)
            if spent >= 1:
                self._prune(spent)  # in however few steps: the budget is kept
            if spent >= 1 or state.step % self._options.every == 0:
                self._look(state, value)
                if checkpoint:
                    self._keep(state, checkpoint)
            if progress:
                progress(state.step, self._options.steps, value, state.curve[-1][2])
        edit = self._learnable.edit(state.best)
        if _is_empty(edit):
            # No step helped, and learning did not begin from an edit either.
            raise CorpusError(
                f"learning did not lower the held-out loss in {state.step} steps; give it more, "
                "or more text"
            )
        report = Report(
            steps=state.step,
            seconds=state.seconds,
            best_step=state.best_step,
            curve=tuple((n, float(a), float(b)) for n, a, b in state.curve),
        )
        return Learned(edit=edit, report=report, sizes=self._learnable.size_L)

    def _idle(self, state: State) -> bool:
        """Whether nothing has got better for long; never before the budget is kept to."""
        if self._budget is not None and self._learnable.count() > self._budget:
            return False
        since = state.curve[-1][0] - state.best_step
        return since >= self._options.patience * self._options.every

    def _fresh(self) -> State:
        held = self._held()
        return State(
            step=0,
            seconds=0.0,
            values=(),
            best=self._copies(),
            best_step=0,
            best_loss=held,
            mask=self._learnable.mask_LI,
            count=self._learnable.count(),
            curve=[(0, held, held)],
            optimizer={},
        )

    def _resumed(self, state: State) -> State:
        with torch.no_grad():
            for parameter, value in zip(self._learnable.parameters(), state.values, strict=True):
                parameter.copy_(value)
        state.best = [b.to(self._learnable.device) for b in state.best]
        if state.mask is not None:
            self._learnable.mask_LI = state.mask.to(self._learnable.device)
        self._optimizer.load_state_dict(state.optimizer)
        return state

    def _keep(self, state: State, checkpoint: Checkpoint) -> None:
        state.values = self._copies()
        state.optimizer = self._optimizer.state_dict()
        state.mask = self._learnable.mask_LI
        checkpoint.save(state)

    def _copies(self) -> list[Tensor]:
        return [p.detach().clone() for p in self._learnable.parameters()]

    def _step(self, step: int, spent: float) -> float:
        options = self._options
        factor = _schedule(step, spent)
        # Where time runs out before the steps do, a step is more of the whole.
        share = max(1 / options.steps, spent / max(1, step))
        rates = [rate * factor for rate in self._learnable.rates(options, share)]
        for group, rate in zip(self._optimizer.param_groups, rates, strict=True):
            group["lr"] = rate
        batch = self._batch(step)
        draw = random.Random(f"{self._seed} {step}").getrandbits(63)
        self._learnable.begin(batch.first, draw)
        self._optimizer.zero_grad()
        value = self._loss(batch, seed=step + 1)
        penalty = self._learnable.penalty()
        torch.autograd.backward(value if penalty is None else value + penalty)
        self._optimizer.step()
        return float(value.detach())

    def _prune(self, spent: float) -> bool:
        """Give up neurons as the schedule has it; whether the budget is kept from now on."""
        budget, now = self._budget, self._learnable.count()
        first, last = _PRUNING
        if budget is None or now <= budget or spent < first:
            return False
        # Geometrically: every step gives up the same share, down to the budget.
        share = min(1.0, (spent - first) / (last - first))
        total = self._whole
        count = round(total * (budget / total) ** share)
        if share < 1:
            rates = [float(group["lr"]) for group in self._optimizer.param_groups]
            self._learnable.approach(max(budget + 1, min(now, count)), rates)
            return False
        self._learnable.keep(budget)
        return True

    def _look(self, state: State, value: float) -> None:
        held = self._held()
        state.curve = [*state.curve, (state.step, value, held)]
        now = self._learnable.count()
        # What was best with more neurons than are left is no longer to be had.
        if held < state.best_loss or now < state.count:
            state.best, state.best_step, state.best_loss = self._copies(), state.step, held
            state.count = now

    def _held(self) -> float:
        total = tokens = 0.0
        with torch.no_grad():
            for batch in self._exam:
                self._learnable.begin(batch.first)
                weight = float(batch.counts.sum())
                total += weight * float(self._loss(batch, seed=0))
                tokens += weight
        return total / tokens

    def _spent(self, state: State) -> float:
        """Share of the budget used up, of steps or of time, whichever is further."""
        seconds = self._options.seconds
        timed = state.seconds / seconds if seconds else 0.0
        return max(state.step / self._options.steps, timed)


def _schedule(step: int, spent: float) -> float:
    """Rate factor: a warm-up of three steps, then linearly down to a twentieth."""
    return min(1.0, (step + 1) / 3) * max(0.05, 1.0 - spent)


def _is_empty(edit: Edit) -> bool:
    values = [edit.offsets.value] if edit.offsets else []
    values += [edit.memories.value] if edit.memories else []
    values += [edit.neurons.add, edit.neurons.scale] if edit.neurons else []
    return not any(value.any() for value in values)
