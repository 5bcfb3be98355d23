"""What is learned: numbers that edit a frozen model's FFNs through hooks while gradients flow."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager

import torch
from torch import Tensor, nn

from profiles.learning.options import Options
from profiles.models.ffn import FFN
from profiles.profile import Edit


class Learnable(ABC):
    """An edit with parameters; the model is edited while it is open as a context manager.

    Attributes:
        ffns: the model's FFNs, in layer order.
        device: where the model is.
        mask_LI: bool [layers, neurons], those that are learned; None where no neurons are.
    """

    def __init__(self, ffns: Sequence[FFN]) -> None:
        self.ffns = ffns
        self.device = next(ffns[0].output.parameters()).device
        # Root mean square of each layer's FFN output, the yardstick of every unit.
        self.size_L = torch.ones(len(ffns), device=self.device)
        self.mask_LI: Tensor | None = None
        self._hooks = ExitStack()
        self._on = True
        self._first_B: Tensor | None = None

    @abstractmethod
    def parameters(self) -> list[nn.Parameter]:
        """What the optimizer moves, all of shape [layers, ...]; as they are, they edit nothing."""

    @abstractmethod
    def start(self, init: Edit) -> None:
        """Begin from `init`; call it after `measure`."""

    @abstractmethod
    def attach(self, ffn: FFN, layer: int) -> Callable[[], None]:
        """Hook the edit into one FFN; returns what undoes it."""

    @abstractmethod
    def edit(self, values: Sequence[Tensor]) -> Edit:
        """The edit that `values`, parameters as they were at some step, stand for."""

    @abstractmethod
    def rates(self, options: Options, share: float) -> list[float]:
        """The step size that suits each parameter's unit.

        Args:
            options: see `Options`.
            share: of all learning, that a step takes.
        """

    def count(self) -> int:
        """How many neurons are still learned; 0 where none ever were."""
        return 0 if self.mask_LI is None else int(self.mask_LI.sum())

    def active(self) -> int:
        """How many of them have a part in the edit at the moment."""
        return self.count()

    def approach(self, count: int, rates: list[float]) -> None:
        """Come down to `count` neurons for now, towards the budget; by default for good.

        Args:
            count: more than the budget.
            rates: the step sizes just taken, one a parameter.
        """
        self.keep(count)

    @abstractmethod
    def keep(self, count: int) -> None:
        """Give up all but the `count` neurons that matter most; nothing to do without neurons."""

    def penalty(self) -> Tensor | None:
        """What is added to the training loss, in nats a token; None for nothing."""
        return None

    def __enter__(self) -> Learnable:
        for n, ffn in enumerate(self.ffns):
            self._hooks.callback(self.attach(ffn, n))
        return self

    def __exit__(self, *_: object) -> None:
        self._hooks.close()

    @contextmanager
    def off(self) -> Iterator[None]:
        """Within the block the model is as it was."""
        before, self._on = self._on, False
        try:
            yield
        finally:
            self._on = before

    def begin(self, first_B: Tensor, draw: int | None = None) -> None:
        """Edit row b of the next forward passes from position first_B[b] on.

        Args:
            first_B: int64 [rows].
            draw: seed of what is drawn for a training step; None where the edit is looked at.
        """
        self._first_B = first_B.to(self.device) if bool(first_B.any()) else None

    def apply(self, h: Tensor, delta: Tensor) -> Tensor:
        """h + delta where the edit is on, in float32 as in serving, then cast back.

        Args:
            h: [rows, width, features], or both axes folded into one, as OPT does.
            delta: broadcastable to h.
        """
        if not self._on:
            return h
        if self._first_B is not None:
            rows = len(self._first_B)
            width = h[..., 0].numel() // rows
            edited = torch.arange(width, device=h.device) >= self._first_B[:, None]
            delta = delta * edited.reshape(*h.shape[:-1], 1)
        return (h.float() + delta).to(h.dtype)

    def measure(self, forward: Callable[[], object], kept_BT: Tensor) -> None:
        """Set each layer's unit to the median root mean square of its FFN output.

        Args:
            forward: one pass of the model; the edit is off.
            kept_BT: bool [rows, width], the tokens of that pass that are no padding.
        """
        kept_N = kept_BT.flatten().to(self.device)
        with ExitStack() as stack, torch.no_grad(), self.off():
            for n, ffn in enumerate(self.ffns):

                def note(h: Tensor, n: int = n) -> None:
                    # The median ignores BOS, whose FFN outputs are hundreds of times larger.
                    size_N = h.flatten(0, -2)[kept_N].float().square().mean(-1).sqrt()
                    self.size_L[n] = size_N.median().clamp_min(1e-6)

                stack.callback(ffn.on_output(note).remove)
                if stop := self.watch(n, kept_N):
                    stack.callback(stop)
            forward()

    def watch(self, layer: int, kept_N: Tensor) -> Callable[[], None] | None:
        """Look at the layer's neurons at the tokens kept, if wanted; returns what ends it."""
        return None
