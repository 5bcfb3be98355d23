"""Put the edit into the feed-forward layers of a loaded vLLM model."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from steering.edit import edit_neurons, edit_output
from steering.errors import EngineError
from steering.tables import LayerTables, Tables
from steering.tokens import Tokens

# (activation, down projection) attribute names of vLLM's FFN modules: gated ones (Llama,
# Gemma, Qwen, Mistral, Phi-3, OLMo), GPT-2, GPT-NeoX, BLOOM, OPT.
_PAIRS = (
    ("act_fn", "down_proj"),
    ("act", "c_proj"),
    ("act", "dense_4h_to_h"),
    ("gelu_impl", "dense_4h_to_h"),
    ("activation_fn", "fc2"),
)
_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)(?:\.|$)")


@dataclass(frozen=True, kw_only=True)
class FFN:
    """One feed-forward layer of a vLLM model.

    Attributes:
        layer: global index of its decoder layer.
        module: the module that holds activation and down projection.
        activation, down: their attribute names.
    """

    layer: int
    module: nn.Module
    activation: str
    down: str

    @property
    def down_proj(self) -> Any:
        """The projection that reads the neurons."""
        return getattr(self.module, self.down)

    @property
    def output(self) -> nn.Module:
        """The module whose output is the FFN's: itself, or `down` where the decoder layer
        has no FFN module of its own (OPT)."""
        plain = any(hasattr(self.module, name) for name in ("self_attn", "attn", "self_attention"))
        output: nn.Module = self.down_proj if plain else self.module
        return output


def find_ffns(model: nn.Module) -> list[FFN]:
    """The FFNs of a vLLM model's language part, by layer.

    Raises:
        EngineError: none was found, a layer has several, or the model is a mixture of experts.
    """
    # Multimodal models: the vision tower has FFNs of its own, which are not ours.
    inner: Any = getattr(model, "get_language_model", None)
    language: nn.Module = inner() if inner else model
    found: dict[int, FFN] = {}
    for name, module in language.named_modules():
        if "MoE" in type(module).__name__:
            raise EngineError(
                f"{type(model).__name__} is a mixture of experts ({type(module).__name__} at "
                f"{name}); langsteer edits dense feed-forward layers only"
            )
        pair = next((p for p in _PAIRS if all(hasattr(module, a) for a in p)), None)
        match = _LAYER.search(name)
        if pair is None or match is None:
            continue
        layer = int(match[1])
        if layer in found:
            raise EngineError(
                f"{type(model).__name__} has two feed-forward modules in layer {layer}"
            )
        found[layer] = FFN(layer=layer, module=module, activation=pair[0], down=pair[1])
    if not found:
        raise EngineError(
            f"no feed-forward layer found in {type(model).__name__}; known forms "
            f"(activation, down projection): {', '.join('/'.join(p) for p in _PAIRS)}"
        )
    return [found[layer] for layer in sorted(found)]


def shard(ffn: FFN, intermediate_size: int, rank: int, world: int) -> tuple[int, int]:
    """[start, stop) of the layer's neurons on this tensor parallel rank.

    Raises:
        EngineError: the layer has not the expected number of neurons.
    """
    down = ffn.down_proj
    # LoRA wraps the projection; the sizes are the base layer's.
    down = getattr(down, "base_layer", down)
    size = int(down.input_size_per_partition)
    if size * world != intermediate_size:
        raise EngineError(
            f"layer {ffn.layer} has {size} neurons on each of {world} ranks, the profiles are "
            f"for {intermediate_size} in all"
        )
    return rank * size, (rank + 1) * size


class SteeredActivation(nn.Module):
    """The FFN's activation, followed by the neuron edit.

    Being a type of its own also keeps vLLM from fusing activation and quantization
    past us (`maybe_fused_act_quant` looks the activation up by type).
    """

    columns: Tensor
    add: Tensor
    scale: Tensor
    row: Tensor
    strength: Tensor

    def __init__(self, activation: nn.Module, tables: LayerTables, tokens: Tokens) -> None:
        super().__init__()
        self.activation = activation
        self._tokens = tokens
        for name in ("columns", "add", "scale"):
            self.register_buffer(name, getattr(tables, name), persistent=False)
        self.register_buffer("row", tokens.row, persistent=False)
        self.register_buffer("strength", tokens.strength, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        y_TI: Tensor = self.activation(x)
        # A compiled or captured graph must hold the edit whatever this step's batch is.
        if not torch.compiler.is_compiling() and not self._tokens.active:
            return y_TI
        count = y_TI.shape[0]
        return edit_neurons(
            y_TI, self.columns, self.add, self.scale, self.row[:count], self.strength[:count]
        )


class OutputOffset(nn.Module):
    """Forward hook that adds the row's offset to the FFN's output.

    A module, and registered below the FFN, so that compilers treat its buffers as they
    treat every other tensor of the model.
    """

    offset: Tensor
    row: Tensor
    strength: Tensor

    def __init__(self, tables: LayerTables, tokens: Tokens) -> None:
        super().__init__()
        self._tokens = tokens
        self.register_buffer("offset", tables.offset, persistent=False)
        self.register_buffer("row", tokens.row, persistent=False)
        self.register_buffer("strength", tokens.strength, persistent=False)

    def forward(self, module: nn.Module, args: Any, output: Any) -> Any:
        if not torch.compiler.is_compiling() and not self._tokens.active:
            return output
        # Linear layers of vLLM return (output, bias).
        h_TH = output[0] if isinstance(output, tuple) else output
        count = h_TH.shape[0]
        edited = edit_output(h_TH, self.offset, self.row[:count], self.strength[:count])
        return (edited, *output[1:]) if isinstance(output, tuple) else edited


def install(ffns: list[FFN], tables: Tables, tokens: Tokens) -> Iterator[str]:
    """Put the edits into `ffns`; yields a word for each place that was armed."""
    for ffn in ffns:
        layer = tables.layers[ffn.layer]
        if layer.columns is not None:
            activation = getattr(ffn.module, ffn.activation)
            setattr(ffn.module, ffn.activation, SteeredActivation(activation, layer, tokens))
            yield f"neurons.{ffn.layer}"
        if layer.offset is not None:
            hook = OutputOffset(layer, tokens)
            ffn.output.add_module("langsteer_offset", hook)
            ffn.output.register_forward_hook(hook)
            yield f"offset.{ffn.layer}"
