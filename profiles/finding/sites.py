"""Where in a model responses are read: FFN neurons, or the outputs of linear layers."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal, get_args

from torch import nn

from profiles.errors import ModelError
from profiles.models.architecture import find_dense_ffns
from profiles.models.ffn import DenseFFN

SiteName = Literal["ffn", "attention", "mlp-linear", "all-linear"]
SITES: tuple[str, ...] = get_args(SiteName)
_ACTIVATIONS = ("act_fn", "activation_fn", "act", "gelu_impl")


@dataclass(frozen=True, kw_only=True, eq=False)
class Part:
    """One module of one layer whose units are read.

    Attributes:
        path: its name below the decoder layer, e.g. "self_attn.q_proj".
        module: the module.
        reads: whether the units are its input or its output.
        start, width: its units are start..start+width-1 of the layer's.
    """

    path: str
    module: nn.Module
    reads: Literal["input", "output"]
    start: int
    width: int


@dataclass(frozen=True, kw_only=True, eq=False)
class Site:
    """The units to read of every layer, side by side in the order of `parts`.

    Attributes:
        name: one of SITES.
        layers: per layer its parts; the same paths and widths in every layer.
        gates: per layer the module whose output is act(gate) of the FFN, or None where units
            speak for themselves: other sites, and FFNs without a known activation module.
        ffns: the FFN of every layer.
        units: units a layer.
    """

    name: SiteName
    layers: tuple[tuple[Part, ...], ...]
    gates: tuple[nn.Module | None, ...]
    ffns: tuple[DenseFFN, ...]
    units: int

    @property
    def parts(self) -> tuple[tuple[str, int], ...]:
        """(path, width) of a layer's parts."""
        return tuple((part.path, part.width) for part in self.layers[0])


def find_site(model: nn.Module, name: SiteName = "ffn", down_projection: str | None = None) -> Site:
    """Find a site in `model`.

    Args:
        model: a transformers decoder model.
        name: "ffn": the input of each down projection, act(gate)·up or act(fc1), what langsteer
            edits. "attention": outputs of the attention's linear layers (q, k, v, o, or a fused
            projection). "mlp-linear": outputs of the FFN's (gate, up, down). "all-linear": both,
            the units of Kojima et al. 2024.
        down_projection: see `find_ffns`.

    Raises:
        ModelError: see `find_dense_ffns`; or no such linear layer, or layers that differ.
        ValueError: `name` is no site.
    """
    if name not in SITES:
        raise ValueError(f"site is {name!r}, must be one of {', '.join(SITES)}")
    ffns = tuple(find_dense_ffns(model, down_projection))
    names = {module: path for path, module in model.named_modules()}
    layers, gates = [], []
    for ffn in ffns:
        path = names[ffn.down]
        if name == "ffn":
            layers.append(tuple(_input(ffn)))
            gates.append(_activation(model.get_submodule(path.rpartition(".")[0])))
        else:
            layer = model.get_submodule(path.removesuffix(f".{ffn.path}"))
            layers.append(tuple(_outputs(layer, name)))
            gates.append(None)
    kinds = {tuple((part.path, part.width) for part in parts) for parts in layers}
    if len(kinds) > 1:
        raise ModelError(
            f"{type(model).__name__}: layers differ in their linear layers ({name}); "
            "only the site ffn can be read"
        )
    units = sum(part.width for part in layers[0])
    if not units:
        raise ModelError(f"{type(model).__name__} has no linear layer to read for site {name}")
    return Site(name=name, layers=tuple(layers), gates=tuple(gates), ffns=ffns, units=units)


def _input(ffn: DenseFFN) -> Iterator[Part]:
    yield Part(path=ffn.path, module=ffn.down, reads="input", start=0, width=ffn.intermediate_size)


def _outputs(layer: nn.Module, site: SiteName) -> Iterator[Part]:
    start = 0
    for path, module in layer.named_modules():
        width = _width(module)
        if width is None or site not in ("all-linear", _home(path)):
            continue
        yield Part(path=path, module=module, reads="output", start=start, width=width)
        start += width


def _home(path: str) -> SiteName:
    return (
        "attention"
        if any("attn" in p or "attention" in p for p in path.split("."))
        else "mlp-linear"
    )


def _width(module: nn.Module) -> int | None:
    """Outputs of a linear module, quantized ones and GPT-2's Conv1D (`nf`) included."""
    linear: Any = module
    if hasattr(module, "in_features") and hasattr(module, "out_features"):
        return int(linear.out_features)
    return int(linear.nf) if type(module).__name__ == "Conv1D" else None


def _activation(mlp: nn.Module) -> nn.Module | None:
    """The activation beside the down projection; without a gate its output is the neuron."""
    found = (getattr(mlp, name, None) for name in _ACTIVATIONS)
    return next((module for module in found if isinstance(module, nn.Module)), None)
