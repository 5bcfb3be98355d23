"""Put the edit into the feed-forward layers of a loaded vLLM model."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from steering.edit import edit_memory, edit_neurons, edit_output, memory_gain
from steering.engine.experts import Experts, find_experts
from steering.engine.layer_path import layer_path
from steering.errors import EngineError
from steering.tables import LayerTables, Tables
from steering.tokens import Tokens

# Where activations are defined. A feed-forward layer is told by its structure, projections up and
# down beside an activation, because every family has its own names for the three.
_ACTIVATIONS = (
    "vllm.model_executor.layers.activation",
    "transformers.activations",
    "torch.nn.modules.activation",
)
# In the type's name of a mixture of experts, should it not run on vLLM's fused ones: its shared
# experts look like an FFN.
_MIXTURES = ("MoE", "MoeBlock")


@dataclass(frozen=True, kw_only=True)
class FFN:
    """One dense feed-forward layer of a vLLM model.

    Attributes:
        layer: global index of its decoder layer.
        module: the module that holds activation and down projection.
        activation, down: their attribute names.
        bare: `module` is the decoder layer itself.
    """

    layer: int
    module: nn.Module
    activation: str
    down: str
    bare: bool = False

    @property
    def down_proj(self) -> Any:
        """The projection that reads the neurons."""
        return getattr(self.module, self.down)

    @property
    def width(self) -> int:
        """Neurons that this tensor parallel rank has of the layer."""
        down = _linear(self.down_proj)
        return int(getattr(down, "input_size_per_partition", down.input_size))

    @property
    def output(self) -> nn.Module:
        """The module whose output is the FFN's: itself, or `down` where the decoder layer
        has no FFN module of its own (OPT)."""
        output: nn.Module = self.down_proj if self.bare else self.module
        return output


def find_ffns(model: nn.Module) -> list[FFN | Experts]:
    """The FFNs of a vLLM model's language part, by layer.

    Raises:
        EngineError: none was found, a layer has several, or experts whose output can't be reached.
    """
    # Multimodal models: the vision tower has FFNs of its own, which are not ours.
    inner: Any = getattr(model, "get_language_model", None)
    language: nn.Module = inner() if inner else model
    name = type(model).__name__
    experts = find_experts(language, name)
    found: dict[int, tuple[str, FFN | Experts]] = {}
    for path, module in language.named_modules():
        place = layer_path(path)
        # What a mixture of experts is made of, shared experts among it, is no FFN of the layer.
        if place is None or any(path.startswith(f"{block}.") for block in experts):
            continue
        layer, below = place
        one: FFN | Experts
        if path in experts:
            one = experts[path]
        elif below and any(word in type(module).__name__ for word in _MIXTURES):
            raise EngineError(
                f"{name} is a mixture of experts ({type(module).__name__} at {path}) that does not "
                "run on vLLM's fused experts; langsteer knows no other"
            )
        elif names := _parts(module):
            one = FFN(
                layer=layer, module=module, activation=names[0], down=names[1], bare=not below
            )
        else:
            continue
        if layer in found:
            raise EngineError(
                f"{name} has two feed-forward modules in layer {layer} ({found[layer][0]}, {path})"
            )
        found[layer] = path, one
    if not found:
        raise EngineError(
            f"no feed-forward layer found in {name}: none of its layers has "
            "projections up and down beside an activation module"
        )
    return [found[layer][1] for layer in sorted(found)]


def _parts(module: nn.Module) -> tuple[str, str] | None:
    """(activation, down projection) of a module that is a feed-forward layer, by name.

    Raises:
        EngineError: it is one whose neurons are in no module's output.
    """
    children = dict(module.named_children())
    activations = [n for n, child in children.items() if type(child).__module__ in _ACTIVATIONS]
    sizes = {
        name: (int(linear.input_size), int(linear.output_size))
        for name, linear in ((n, _linear(child)) for n, child in children.items())
        if hasattr(linear, "input_size") and hasattr(linear, "output_size")
    }
    # What goes up is as wide as what comes down, or twice that: gate and up in one.
    downs = {
        name: [
            w for o, (i, w) in sizes.items() if o != name and i == narrow and w in (wide, 2 * wide)
        ]
        for name, (wide, narrow) in sizes.items()
    }
    fits = [name for name, ups in downs.items() if ups]
    if len(activations) != 1 or not fits:
        return None
    # Without a gate each of the two projections fits the other; the way down comes last.
    down = next((n for n in fits if downs[n] == [2 * sizes[n][0]]), fits[-1])
    if len(downs[down]) > 1:
        raise EngineError(
            f"{type(module).__name__} has gate and up projections of its own, and no module gives "
            "their product; langsteer edits what an activation module gives"
        )
    return activations[0], down


def _linear(module: Any) -> Any:
    """The projection itself, where LoRA wraps it."""
    return getattr(module, "base_layer", module)


def shard(ffn: FFN, intermediate_size: int, rank: int, world: int) -> tuple[int, int]:
    """[start, stop) of the layer's neurons on this tensor parallel rank.

    Raises:
        EngineError: the layer has not the expected number of neurons, or sums ranks later.
    """
    if world > 1 and not getattr(_linear(ffn.down_proj), "reduce_results", True):
        raise EngineError(
            f"layer {ffn.layer} leaves the sum over tensor parallel ranks to a later module, so "
            "an offset would be added once a rank; start with --tensor-parallel-size 1"
        )
    size = ffn.width
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

    def load_weights(self, weights: Iterable[tuple[str, Tensor]]) -> set[str]:
        """For vLLM's loader, when weights are reloaded: a checkpoint's names do not know us.

        Args:
            weights: the activation's own (xIELU has some), by name.

        Returns:
            The names that were loaded.
        """
        from vllm.model_executor.models.utils import AutoWeightsLoader

        loaded: set[str] = AutoWeightsLoader(self.activation).load_weights(weights)
        return loaded

    def forward(self, x: Tensor) -> Tensor:
        y: Tensor = self.activation(x)
        # A compiled or captured graph must hold the edit whatever this step's batch is.
        if not torch.compiler.is_compiling() and not self._tokens.active:
            return y
        # Models that run through transformers have a batch of one in front.
        y_TI = y.flatten(0, -2)
        count = y_TI.shape[0]
        edited = edit_neurons(
            y_TI, self.columns, self.add, self.scale, self.row[:count], self.strength[:count]
        )
        return edited.view(y.shape)


class SteeredOutput(nn.Module):
    """What runs in place of an FFN's forward: it, and then the row's offset and memory.

    A module, and registered below the FFN, so that compilers treat its buffers as they
    treat every other tensor of the model.

    Not a forward hook, though it does what one would. A memory's key reads the FFN's input, and
    the FFN may write there: vLLM declares so of its fused experts. So the product is taken before
    the FFN runs; a pair of hooks would have to leave it on a module in between, which compilers see
    as one more output of the model's graph.
    """

    row: Tensor
    strength: Tensor
    offset: Tensor | None
    key: Tensor | None
    value: Tensor | None
    bias: Tensor | None

    def __init__(self, tables: LayerTables, tokens: Tokens) -> None:
        super().__init__()
        self._tokens = tokens
        for name in ("offset", "key", "value", "bias"):
            self.register_buffer(name, getattr(tables, name), persistent=False)
        self.register_buffer("row", tokens.row, persistent=False)
        self.register_buffer("strength", tokens.strength, persistent=False)

    def forward(self, inner: Callable[..., Any], *args: Any, **kwargs: Any) -> Any:
        """The edited output.

        Args:
            inner: the FFN's own forward; args, kwargs: what it is called with, the input first.

        Returns:
            What `inner` gives, its output edited.
        """
        if not torch.compiler.is_compiling() and not self._tokens.active:
            return inner(*args, **kwargs)
        gain_T = self._gain(args[0] if args else next(iter(kwargs.values())))
        output = inner(*args, **kwargs)
        # Linear layers of vLLM return (output, bias), some mixtures of experts (output, scores).
        h = output[0] if isinstance(output, tuple) else output
        edited = self._edit(h.flatten(0, -2), gain_T).view(h.shape)
        return (edited, *output[1:]) if isinstance(output, tuple) else edited

    def _gain(self, x: Tensor) -> Tensor | None:
        if self.key is None or self.bias is None:
            return None
        # Models that run through transformers have a batch of one in front, of output and input.
        x_TH = x.flatten(0, -2)
        return memory_gain(x_TH, self.key, self.bias, self.row[: x_TH.shape[0]])

    def _edit(self, h_TH: Tensor, gain_T: Tensor | None) -> Tensor:
        count = h_TH.shape[0]
        row_T, strength_T = self.row[:count], self.strength[:count]
        if gain_T is not None and self.value is not None:
            return edit_memory(h_TH, gain_T, self.value, row_T, strength_T, self.offset)
        assert self.offset is not None, "armed for nothing"
        return edit_output(h_TH, self.offset, row_T, strength_T)


def install(ffns: list[FFN | Experts], tables: Tables, tokens: Tokens) -> Iterator[str]:
    """Put the edits into `ffns`; yields a word for each place that was armed.

    Raises:
        EngineError: there are memories, and an FFN's input can't be had. Nothing was changed.
    """
    for ffn in ffns:
        if tables.layers[ffn.layer].key is not None and isinstance(ffn, FFN) and ffn.bare:
            raise EngineError(
                f"the profiles have memories, and layer {ffn.layer} ({type(ffn.module).__name__}) "
                "has no feed-forward module whose input a memory's key could read. Offsets work "
                "there: take profiles with memories out of the folder, and make them with offsets"
            )
    for ffn in ffns:
        layer = tables.layers[ffn.layer]
        if layer.columns is not None and isinstance(ffn, FFN):
            activation = getattr(ffn.module, ffn.activation)
            setattr(ffn.module, ffn.activation, SteeredActivation(activation, layer, tokens))
            yield f"neurons.{ffn.layer}"
        if layer.offset is not None or layer.value is not None:
            output = ffn.output
            steered = SteeredOutput(layer, tokens)
            output.add_module("langsteer_output", steered)
            output.forward = partial(steered, output.forward)
            for name in ("offset", "memory"):
                if getattr(layer, "value" if name == "memory" else name) is not None:
                    yield f"{name}.{ffn.layer}"
