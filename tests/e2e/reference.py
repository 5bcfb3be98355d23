"""An independent implementation of the edit: transformers, plain hooks, greedy decoding.

Shares no code with the product's own edit, hooks or composition; it reads a profile's
arrays and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
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

    A memory's key reads the input of `output`, or else of the module that holds `down`. An edit may
    list a layer's memories more than once: they add up.
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
        self.input = output or down.rpartition(".")[0]
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
        downs, inputs, outputs = self._places()
        with torch.inference_mode(), Hooked(downs, inputs, outputs, edit, strength, first):
            for _ in range(count):
                logits = self.model(torch.tensor([tokens]), use_cache=False).logits[0, -1].float()
                token = int(logits.argmax())
                logprobs.append(float(torch.log_softmax(logits, -1)[token]))
                tokens.append(token)
        return tokens[len(prompt) :], logprobs

    def read(
        self, tokens: Sequence[int], edits: Sequence[tuple[Edit | None, float, int, int]]
    ) -> tuple[list[int], list[float]]:
        """What it would say after each of `tokens` but the last, and how likely the next one is.

        Args:
            tokens: the text.
            edits: each with its strength, and the first position that has it and the first that
                has it no more; no position has two.
        """
        downs, inputs, outputs = self._places()
        with ExitStack() as hooked, torch.inference_mode():
            for edit, strength, first, last in edits:
                hooked.enter_context(Hooked(downs, inputs, outputs, edit, strength, first, last))
            logits = self.model(torch.tensor([tokens]), use_cache=False).logits[0, :-1].float()
        logprobs = torch.log_softmax(logits, -1)
        following = torch.tensor(tokens[1:]).unsqueeze(1)
        return logits.argmax(-1).tolist(), logprobs.gather(1, following).squeeze(1).tolist()

    def _places(self) -> tuple[list[Any], list[Any], list[Any]]:
        """The modules to hook in each layer: down projections, FFNs' inputs and outputs."""
        blocks = self.model.get_submodule(self.layers)
        # Layers without neurons have no down projection.
        downs = [dict(block.named_modules()).get(self.down) for block in blocks]
        inputs = [block.get_submodule(self.input) for block in blocks]
        return downs, inputs, [block.get_submodule(self.output) for block in blocks]


class Hooked:
    def __init__(
        self,
        downs: list[Any],
        inputs: list[Any],
        outputs: list[Any],
        edit: Edit | None,
        strength: float,
        first: int,
        last: int | None = None,
    ) -> None:
        self.downs, self.inputs, self.outputs = downs, inputs, outputs
        self.edit, self.strength, self.where = edit, strength, slice(first, last)
        self.given: dict[int, torch.Tensor] = {}
        self.handles: list[Any] = []

    def __enter__(self) -> None:
        if self.edit is None:
            return
        edited = set(self.edit.neurons.layer.tolist()) if self.edit.neurons else set()
        for index in edited:
            down = self.downs[index]
            self.handles.append(down.register_forward_pre_hook(self._neurons(index)))
        for index in set(self.edit.memories.layer.tolist()) if self.edit.memories else ():
            given = self.inputs[index].register_forward_pre_hook(
                self._remember(index), with_kwargs=True
            )
            self.handles.append(given)
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
            y = y[..., self.where, :].float()
            out[..., self.where, :] = (y + self.strength * (a + b * y)).to(out.dtype)
            return (out,)

        return hook

    def _remember(self, layer: int) -> Any:
        def hook(_module: Any, args: Any, kwargs: Any) -> None:
            (x, *_rest) = [*args, *kwargs.values()]
            self.given[layer] = x.clone()

        return hook

    def _memory(self, layer: int) -> Any:
        """What the layer's memories add at strength 1, where it has any."""
        memories = self.edit.memories if self.edit else None
        if memories is None or layer not in memories.layer.tolist():
            return 0.0
        x = self.given.pop(layer)[..., self.where, :].double()
        x = x / (x.pow(2).mean(-1, keepdim=True) + 1e-6).sqrt()
        added = torch.zeros_like(x)
        for at, key, bias, value in zip(
            memories.layer, memories.key, memories.bias, memories.value, strict=True
        ):
            if at == layer:
                on = x @ torch.from_numpy(key).double() + float(bias)
                gain = 2 / (1 + torch.exp(-on))
                added += gain.unsqueeze(-1) * torch.from_numpy(value).double()
        return added.float()

    def _offset(self, layer: int) -> Any:
        offsets = self.edit.offsets if self.edit else None
        value = torch.zeros(())
        if offsets is not None and layer in offsets.layer.tolist():
            value = torch.from_numpy(offsets.value[offsets.layer.tolist().index(layer)])

        def hook(_module: Any, _args: Any, output: Any) -> Any:
            # Some mixtures of experts give the router's scores as well.
            h, *rest = output if isinstance(output, tuple) else (output,)
            out = h.clone()
            h = h[..., self.where, :].float()
            change = value + self._memory(layer)
            out[..., self.where, :] = (h + self.strength * change).to(out.dtype)
            return (out, *rest) if rest else out

        return hook
