"""Triggers and samples, taken while a model reads a corpus."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack
from typing import Any

import torch
from torch import Tensor

from profiles.finding.backend import Backend, Recorded
from profiles.finding.batches import Batch
from profiles.inside.memories.decoder import Decoder, first_of
from profiles.inside.memories.running_top import RunningTop


class Listener:
    """Runs batches through another backend of the same model, and keeps what memories need.

    Memory: `count` triggers each way of every neuron, and all there is of the sampled positions.

    Args:
        inner: runs the model in this process.
        decoder: the model's modules.
        starts: place of each sentence's first token in the corpus's `Text`.
        count: triggers kept each way.
        sample: sampled places, each mapped to its number from 0.
        device: of the model.
    """

    def __init__(
        self,
        inner: Backend,
        decoder: Decoder,
        starts: Sequence[int],
        count: int,
        sample: Mapping[int, int],
        device: torch.device,
    ) -> None:
        self._inner, self._decoder, self._device = inner, decoder, device
        self._starts, self._sample = starts, sample
        ffns = decoder.ffns
        layers, neurons, hidden = len(ffns), ffns[0].intermediate_size, ffns[0].hidden_size
        self.high = [RunningTop(neurons, count, device) for _ in ffns]
        self.low = [RunningTop(neurons, count, device) for _ in ffns]
        # Coefficients in the type they have: float32 would only take more room.
        dtype = next(ffns[0].down.parameters()).dtype
        self.coefficients = torch.zeros(len(sample), layers, neurons, dtype=dtype, device=device)
        self.outputs = torch.zeros(len(sample), layers, hidden, device=device)
        self.after = torch.zeros(len(sample), layers, hidden, device=device)
        self._grid = self._at = self._cell = self._number = torch.zeros(0, dtype=torch.int64)

    def run(self, batches: Sequence[Batch]) -> Iterator[Recorded]:
        with ExitStack() as stack:
            for layer in range(len(self._decoder.ffns)):
                for handle in self._attach(layer):
                    stack.callback(handle.remove)
            for batch in batches:
                self._begin(batch)
                yield from self._inner.run([batch])

    def _begin(self, batch: Batch) -> None:
        grid, at = [], []
        for row, sentence in enumerate(batch.sentences):
            real = [i for i, is_real in enumerate(sentence.real) if is_real]
            grid += [row * batch.width + i for i in real]
            at += [self._starts[sentence.index] + i for i in real]
        picked = [(g, self._sample[a]) for g, a in zip(grid, at, strict=True) if a in self._sample]
        self._grid, self._at, self._cell, self._number = (
            torch.tensor(numbers, dtype=torch.int64, device=self._device)
            for numbers in (grid, at, [g for g, _ in picked], [n for _, n in picked])
        )

    def _attach(self, layer: int) -> Iterator[Any]:
        ffn = self._decoder.ffns[layer]
        last = self._decoder.posts[layer] or ffn.output

        def coefficients(_module: Any, args: tuple[Tensor, ...]) -> None:
            # OPT folds batch and sequence into one axis before its FFN.
            x_GN = args[0].detach().reshape(-1, ffn.intermediate_size)
            x_TN = x_GN[self._grid]
            self.high[layer].update(x_TN, self._at)
            self.low[layer].update(-x_TN, self._at)
            self.coefficients[self._number, layer] = x_GN[self._cell]

        def keep(where: Tensor) -> Callable[..., None]:
            def hook(_module: Any, _args: Any, output: Any) -> None:
                h_GH = first_of(output).detach().reshape(-1, ffn.hidden_size)
                where[self._number, layer] = h_GH[self._cell].float()

            return hook

        yield ffn.down.register_forward_pre_hook(coefficients)
        yield last.register_forward_hook(keep(self.outputs))
        yield self._decoder.layers[layer].register_forward_hook(keep(self.after))
