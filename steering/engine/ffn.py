"""Put the edit into the feed-forward layers of a loaded vLLM model."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

from torch import nn

from steering.engine.experts import Experts, find_experts
from steering.engine.layer_path import layer_path
from steering.engine.steered_activation import SteeredActivation
from steering.engine.steered_output import SteeredOutput
from steering.errors import EngineError
from steering.tables import Tables
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


def install(ffns: list[FFN | Experts], tables: Tables, tokens: Tokens) -> Iterator[str]:
    """Put the edits into `ffns`; yields a word for each place that was armed.

    Raises:
        EngineError: there are memories, and an FFN's input can't be had. Nothing was changed.
    """
    for ffn in ffns:
        if tables.capacity.keys and isinstance(ffn, FFN) and ffn.bare:
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
        if memories := tables.bank.layers.get(ffn.layer):
            output = ffn.output
            steered = SteeredOutput(memories, tables.bank.on, tokens)
            output.add_module("langsteer_output", steered)
            output.forward = partial(steered, output.forward)
            yield f"memories.{ffn.layer}"
