"""Read what FFN neurons do inside vLLM's workers, for `steering.engine.record`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from profiles.finding.tally import Tally
from steering.engine.ffn import FFN, find_ffns
from steering.errors import EngineError
from steering.tables import NO_NEURONS

ROW_KEY = "langsteer_row"  # in a request's extra_args: its sentence's place in the batch
_ATTRIBUTE = "langsteer_recorder"


class RecordExtension:
    """Methods vLLM mixes into every worker, called by `VllmBackend` around each batch.

    They take and give plain types, an "error" key for failures: see `WorkerExtension`.
    """

    def langsteer_record_begin(self, labels: list[int], real: list[list[bool]]) -> dict[str, Any]:
        """Expect these sentences: their language, and which of their tokens count."""
        runner: Any = getattr(self, "model_runner", None)
        try:
            if not hasattr(runner, _ATTRIBUTE):
                setattr(runner, _ATTRIBUTE, _Recorder(runner))
            getattr(runner, _ATTRIBUTE).begin(labels, real)
        except EngineError as error:
            return {"error": str(error)}
        return {}

    def langsteer_record_end(self) -> dict[str, Any]:
        """What they did: {"rank", "layers", "path", name of the array: [dtype, shape, bytes]}."""
        runner: Any = getattr(self, "model_runner", None)
        try:
            found: dict[str, Any] = getattr(runner, _ATTRIBUTE).end()
        except EngineError as error:
            return {"error": str(error)}
        return found


class _Recorder:
    """Follows a runner's batches; installed on the running instance, for its lifetime."""

    def __init__(self, runner: Any) -> None:
        from vllm.distributed import get_tensor_model_parallel_rank

        if not hasattr(runner, "_prepare_inputs") or not hasattr(runner, "input_batch"):
            raise EngineError(
                f"{type(runner).__module__}.{type(runner).__qualname__} is not vLLM's V1 model "
                "runner (VLLM_USE_V2_MODEL_RUNNER=0)"
            )
        self._rank: int = get_tensor_model_parallel_rank()
        self._device: torch.device = runner.device
        model = runner.get_model()
        found = find_ffns(model)
        self._ffns = [ffn for ffn in found if isinstance(ffn, FFN)]
        if mixtures := [ffn.layer for ffn in found if not isinstance(ffn, FFN)]:
            raise EngineError(f"{type(model).__name__}: layer {mixtures[0]} is {NO_NEURONS}")
        self._units = self._ffns[0].width
        self._hidden = int(self._ffns[0].down_proj.output_size)
        self._real: list[list[bool]] = []
        self._counted: list[int] = []
        self._tally: Tally | None = None
        self._weights: Tensor | None = None
        self._seen: set[int] = set()
        for i, ffn in enumerate(self._ffns):
            activation = getattr(ffn.module, ffn.activation)
            setattr(ffn.module, ffn.activation, _Recorded(activation, self._neurons, i))
            ffn.output.register_forward_hook(lambda _m, _a, out, i=i: self._output(i, out))
        self._follow(runner)

    def begin(self, labels: Sequence[int], real: list[list[bool]]) -> None:
        self._real = real
        # A preempted request starts again: only positions beyond these are new.
        self._counted = [0] * len(real)
        self._seen.clear()
        self._tally = Tally(
            labels,
            [sum(flags) for flags in real],
            layers=len(self._ffns),
            units=self._units,
            hidden=self._hidden,
            device=self._device,
        )

    def end(self) -> dict[str, Any]:
        tally, self._tally, self._weights = self._tally, None, None
        if tally is None:
            raise EngineError("nothing was begun")
        missing = [
            row
            for row, (flags, counted) in enumerate(zip(self._real, self._counted, strict=True))
            if counted < len(flags)
        ]
        if missing:
            raise EngineError(f"{len(missing)} of {len(self._real)} sentences were not run in full")
        if len(self._seen) < len(self._ffns):
            unseen = next(i for i in range(len(self._ffns)) if i not in self._seen)
            raise EngineError(
                f"the activation of layer {self._ffns[unseen].layer} was never called"
            )
        found = tally.recorded(())
        arrays = {
            name: getattr(found, name)
            for name in ("means", "labels", "sums", "squares", "active", "outputs")
        }
        return {
            "rank": self._rank,
            "layers": [ffn.layer for ffn in self._ffns],
            "path": _path(self._ffns[0]),
            # Bytes: the one form of an array that vLLM's serializer takes without leave.
            **{name: [a.dtype.str, list(a.shape), a.tobytes()] for name, a in arrays.items()},
        }

    def _follow(self, runner: Any) -> None:
        """Know each step's tokens: after `_prepare_inputs` their layout is final."""
        original: Callable[..., Any] = runner._prepare_inputs

        def _prepare_inputs(
            scheduler_output: Any, scheduled: Any, *args: Any, **kwargs: Any
        ) -> Any:
            result = original(scheduler_output, scheduled, *args, **kwargs)
            if self._tally is not None:
                batch = runner.input_batch
                rows = [
                    (runner.requests[name].sampling_params.extra_args or {}).get(ROW_KEY)
                    for name in batch.req_ids
                ]
                self._lay_out(rows, scheduled, batch.num_computed_tokens_cpu)
            return result

        runner._prepare_inputs = _prepare_inputs

    def _lay_out(self, rows: Sequence[int | None], scheduled: Any, computed: Any) -> None:
        """Set the weights [sentences, tokens]: 1 where a token counts for a sentence."""
        weights = np.zeros((len(self._real), int(sum(scheduled))), np.float32)
        offset = 0
        for row, count, first in zip(rows, scheduled, computed, strict=False):
            if row is not None:
                last = min(int(first + count), len(self._real[row]))
                for position in range(max(int(first), self._counted[row]), last):
                    weights[row, offset + position - int(first)] = self._real[row][position]
                self._counted[row] = max(self._counted[row], last)
            offset += int(count)
        self._weights = torch.from_numpy(weights).to(self._device)

    def _neurons(self, layer: int, y_TI: Tensor, gate_TI: Tensor) -> None:
        if self._tally is None or self._weights is None:
            return
        self._seen.add(layer)
        count = self._weights.shape[1]  # graphs and ranks may pad the step
        y = y_TI[:count].float()
        self._tally.units(layer, 0, self._weights @ y, self._weights @ y.square())
        self._tally.active(layer, 0, self._weights @ (gate_TI[:count] > 0).float())

    def _output(self, layer: int, output: Any) -> None:
        if self._tally is None or self._weights is None:
            return
        h_TH = output[0] if isinstance(output, tuple) else output
        h_TH = h_TH.flatten(0, -2)
        self._tally.output(layer, self._weights @ h_TH[: self._weights.shape[1]].float())


class _Recorded(nn.Module):
    """An activation whose input and output are seen.

    A type of its own, which vLLM does not fuse with quantization: see `SteeredActivation`.
    """

    def __init__(
        self, activation: nn.Module, see: Callable[[int, Tensor, Tensor], None], layer: int
    ) -> None:
        super().__init__()
        self.activation = activation
        self._see = see
        self._layer = layer
        self._gate_last = type(activation).__name__.startswith("MulAnd")

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(x)
        width = y.shape[-1]
        gate = y
        if x.shape[-1] == 2 * width:  # gate and up, side by side
            gate = x[..., width:] if self._gate_last else x[..., :width]
        # Models that run through transformers have a batch of one in front.
        self._see(self._layer, y.flatten(0, -2), gate.flatten(0, -2))
        return y


def _path(ffn: FFN) -> str:
    return f"mlp.{ffn.down}" if ffn.down != "fc2" else ffn.down
