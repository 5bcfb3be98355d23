"""The backend of one process: a transformers model, read by hooks."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from profiles.errors import ModelError
from profiles.finding.backend import Recorded
from profiles.finding.batches import Batch
from profiles.finding.sites import Part, Site
from profiles.finding.tally import Tally

# On a CPU a pass over a whole batch's neurons would go to memory and back; a chunk of this
# many values stays in the core's cache from the first pass to the last.
_CHUNK = 1 << 16


class HookedModel:
    """Runs batches through a transformers decoder and reads `site` as they pass.

    Args:
        decoder: the model without its LM head.
        site: found in it.
        device: where it is.
    """

    def __init__(self, decoder: nn.Module, site: Site, device: torch.device) -> None:
        self._decoder = decoder
        self._site = site
        self._device = device
        self._real = torch.zeros(0, 0)
        self._lengths: list[int] = []
        self._tally: Tally | None = None
        self._called: set[tuple[int, str]] = set()

    def run(self, batches: Sequence[Batch]) -> Iterator[Recorded]:
        with self._attached():
            for batch in batches:
                yield self._forward(batch)

    @torch.inference_mode()
    def _forward(self, batch: Batch) -> Recorded:
        site = self._site
        ids, mask, real = (tensor.to(self._device) for tensor in batch.tensors())
        self._real = real
        self._lengths = [len(sentence.ids) for sentence in batch.sentences]
        self._called.clear()
        tally = self._tally = Tally(
            [sentence.label for sentence in batch.sentences],
            batch.counts,
            layers=len(site.layers),
            units=site.units,
            hidden=site.ffns[0].hidden_size,
            device=self._device,
        )
        self._decoder(input_ids=ids, attention_mask=mask, use_cache=False)
        self._check_called()
        return tally.recorded(site.parts)

    @contextmanager
    def _attached(self) -> Iterator[None]:
        handles: list[Any] = []
        for i, (parts, gate, ffn) in enumerate(
            zip(self._site.layers, self._site.gates, self._site.ffns, strict=True)
        ):
            handles.extend(self._attach(i, part, gate is None) for part in parts)
            if gate is not None:
                handles.append(gate.register_forward_hook(lambda _m, _a, x, i=i: self._gate(i, x)))
            handles.append(
                ffn.output.register_forward_hook(lambda _m, _a, h, i=i: self._output(i, h))
            )
        try:
            yield
        finally:
            for handle in handles:
                handle.remove()
            self._tally = None

    def _attach(self, layer: int, part: Part, count_active: bool) -> Any:
        if part.reads == "input":
            return part.module.register_forward_pre_hook(
                lambda _m, args: self._units(layer, part, args[0], count_active)
            )
        return part.module.register_forward_hook(
            lambda _m, _a, x: self._units(layer, part, x, count_active)
        )

    def _units(self, layer: int, part: Part, x: Tensor, count_active: bool) -> None:
        self._called.add((layer, part.path))
        tally, sums, squares, active = self._tally, [], [], []
        assert tally is not None
        for values, real in self._chunks(x):
            sums.append(_sum(real, values))
            squares.append(_sum(real, values.square()))
            if count_active:
                active.append(_sum(real, _positive(values)))
        tally.units(layer, part.start, torch.cat(sums), torch.cat(squares))
        if count_active:
            tally.active(layer, part.start, torch.cat(active))

    def _gate(self, layer: int, x: Tensor) -> None:
        self._called.add((layer, "the activation"))
        assert self._tally is not None
        counts = [_sum(real, _positive(values)) for values, real in self._chunks(x)]
        self._tally.active(layer, 0, torch.cat(counts))

    def _output(self, layer: int, h: Tensor) -> None:
        assert self._tally is not None
        sums = [_sum(real, values) for values, real in self._chunks(h)]
        self._tally.output(layer, torch.cat(sums))

    def _chunks(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """(values float32 [sentences, longest, features], mask [sentences, 1, longest])."""
        assert self._tally is not None
        # OPT folds batch and sequence into one axis before its FFN.
        x = x.reshape(*self._real.shape, -1)[: self._tally.rows]
        real = self._real[: self._tally.rows, None]
        rows = len(x) if x.is_cuda else max(1, _CHUNK // (x.shape[1] * x.shape[2]))
        for start in range(0, len(x), rows):
            some = slice(start, start + rows)
            longest = max(self._lengths[some])
            yield x[some, :longest].float(), real[some, :, :longest]

    def _check_called(self) -> None:
        for layer, (parts, gate) in enumerate(
            zip(self._site.layers, self._site.gates, strict=True)
        ):
            paths = [part.path for part in parts] + ["the activation"] * (gate is not None)
            for path in paths:
                if (layer, path) not in self._called:
                    raise ModelError(
                        f"{type(self._decoder).__name__} never called {path} of layer {layer}; "
                        "a fused kernel may have taken its place"
                    )


def _sum(real: Tensor, values: Tensor) -> Tensor:
    """Sums over each sentence's real tokens, [sentences, features]."""
    return torch.bmm(real, values)[:, 0]


def _positive(values: Tensor) -> Tensor:
    """1.0 where values > 0; written in their type, several times faster than through bool."""
    return torch.gt(values, 0, out=torch.empty_like(values))
