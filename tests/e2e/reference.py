"""An independent implementation of the edit: transformers, plain hooks, greedy decoding.

Shares no code with the product's own edit, hooks or composition; it reads a profile's
arrays and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch

from profiles.profile import Edit


class Reference:
    """A transformers model whose FFNs are edited as the profile file's arrays say.

    Args:
        path: its folder.
        layers: where its decoder layers are.
        down: the down projection in one of them.
        output: what gives the FFN's output there; by default the down projection.
    """

    def __init__(
        self,
        path: str,
        dtype: torch.dtype = torch.float32,
        *,
        layers: str = "model.layers",
        down: str = "mlp.down_proj",
        output: str | None = None,
    ) -> None:
        from transformers import AutoModelForCausalLM

        self.layers, self.down, self.output = layers, down, output or down
        self.model = AutoModelForCausalLM.from_pretrained(path, dtype=dtype).eval()

    def greedy(
        self,
        prompt: Sequence[int],
        count: int,
        edit: Edit | None = None,
        strength: float = 1.0,
        first: int = 0,
    ) -> tuple[list[int], list[float]]:
        """The next `count` tokens and their log-probabilities.

        The whole text is run anew for each token: no KV cache that could hide a mistake.
        Positions from `first` on are edited.
        """
        tokens = list(prompt)
        logprobs: list[float] = []
        blocks = self.model.get_submodule(self.layers)
        outputs = [block.get_submodule(self.output) for block in blocks]
        # Layers without neurons have no down projection.
        downs = [dict(block.named_modules()).get(self.down) for block in blocks]
        with torch.inference_mode(), Hooked(downs, outputs, edit, strength, first):
            for _ in range(count):
                logits = self.model(torch.tensor([tokens]), use_cache=False).logits[0, -1].float()
                token = int(logits.argmax())
                logprobs.append(float(torch.log_softmax(logits, -1)[token]))
                tokens.append(token)
        return tokens[len(prompt) :], logprobs


class Hooked:
    def __init__(
        self,
        downs: list[Any],
        outputs: list[Any],
        edit: Edit | None,
        strength: float,
        first: int,
    ) -> None:
        self.downs, self.outputs = downs, outputs
        self.edit, self.strength, self.first = edit, strength, first
        self.handles: list[Any] = []

    def __enter__(self) -> None:
        if self.edit is None:
            return
        edited = set(self.edit.neurons.layer.tolist()) if self.edit.neurons else set()
        for index in edited:
            down = self.downs[index]
            self.handles.append(down.register_forward_pre_hook(self._neurons(index)))
        for index, output in enumerate(self.outputs):
            self.handles.append(output.register_forward_hook(self._offset(index)))

    def __exit__(self, *_: object) -> None:
        for handle in self.handles:
            handle.remove()

    def _neurons(self, layer: int) -> Any:
        neurons = self.edit.neurons if self.edit else None
        hidden, other = self.downs[layer].weight.shape
        # GPT-2's projections are stored the other way round.
        wide = hidden if type(self.downs[layer]).__name__ == "Conv1D" else other
        a, b = torch.zeros(wide), torch.zeros(wide)
        if neurons is not None:
            for at, neuron, add, scale in zip(
                neurons.layer, neurons.neuron, neurons.add, neurons.scale, strict=True
            ):
                if at == layer:
                    a[neuron], b[neuron] = float(add), float(scale)

        def hook(_module: Any, args: Any) -> Any:
            (y,) = args
            out = y.clone()
            y = y[..., self.first :, :].float()
            out[..., self.first :, :] = (y + self.strength * (a + b * y)).to(out.dtype)
            return (out,)

        return hook

    def _offset(self, layer: int) -> Any:
        offsets = self.edit.offsets if self.edit else None
        value = torch.zeros(())
        if offsets is not None and layer in offsets.layer.tolist():
            value = torch.from_numpy(offsets.value[offsets.layer.tolist().index(layer)])

        def hook(_module: Any, _args: Any, output: Any) -> Any:
            # Some mixtures of experts give the router's scores as well.
            h, *rest = output if isinstance(output, tuple) else (output,)
            out = h.clone()
            h = h[..., self.first :, :].float()
            out[..., self.first :, :] = (h + self.strength * value).to(out.dtype)
            return (out, *rest) if rest else out

        return hook
