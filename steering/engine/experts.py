"""The mixtures of experts of a loaded vLLM model, of which only the output can be edited."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch
from torch import nn

from steering.engine.layer_path import layer_path
from steering.errors import EngineError


@dataclass(frozen=True, kw_only=True)
class Experts:
    """One layer's mixture of experts, shared experts included.

    It has no neurons to edit: the kernels of routed experts fuse both projections and the
    activation, and a token's neuron vector is nowhere in memory.

    Attributes:
        layer: global index of its decoder layer.
        module: the module whose output is all that the experts add to the layer.
        fused: vLLM's runners of experts in it; one, or one a modality.
    """

    layer: int
    module: nn.Module
    fused: tuple[nn.Module, ...]

    @property
    def output(self) -> nn.Module:
        """The module whose output is the FFN's."""
        return self.module

    def check(self, world: int, dtype: torch.dtype) -> None:
        """Make sure that the output is the finished one, the same on every rank, to scale.

        Args:
            world: tensor parallel ranks.
            dtype: of the model.

        Raises:
            EngineError: it isn't; says what to set instead.
        """
        name = f"the mixture of experts in layer {self.layer}"
        for fused in self.fused:
            runner: Any = fused
            config = runner.moe_config
            if config.is_sequence_parallel:
                raise EngineError(
                    f"{name} gives each rank the output of some tokens only (sequence parallel); "
                    "start without --enable-expert-parallel, or with --data-parallel-size 1"
                )
            if world > 1 and config.skip_final_all_reduce:
                raise EngineError(
                    f"{name} leaves the sum over tensor parallel ranks to a later module, so an "
                    "offset would be added once a rank; start with --tensor-parallel-size 1"
                )
            # vLLM divides such outputs, and the whole residual stream, by the factor (DeepSeek).
            if dtype == torch.float16 and runner.routed_scaling_factor != 1.0:
                raise EngineError(
                    f"in float16 vLLM scales the output of {name} against overflow, and an offset "
                    "would be too large; start with --dtype bfloat16"
                )


def find_experts(language: nn.Module, model: str) -> dict[str, Experts]:
    """The mixtures of experts by the path of their module.

    Args:
        language: the language part of a vLLM model.
        model: its name, for errors.

    Raises:
        EngineError: a layer's experts are not in one module of their own.
    """
    found: dict[str, tuple[int, list[nn.Module]]] = {}
    for path, module in language.named_modules():
        if not _runs_experts(module):
            continue
        # LoRA wraps the runner.
        block = path.removesuffix(".base_layer").rpartition(".")[0]
        place = layer_path(block)
        if place is None or not place[1] or "." in place[1]:
            raise EngineError(
                f"{model} is a mixture of experts with experts at {path}: no module directly below "
                "the decoder layer gives what they add to it, and langsteer edits such modules' "
                "outputs"
            )
        found.setdefault(block, (place[0], []))[1].append(module)
    return {
        path: Experts(layer=layer, module=language.get_submodule(path), fused=tuple(fused))
        for path, (layer, fused) in found.items()
    }


def _runs_experts(module: nn.Module) -> bool:
    """Whether it is vLLM's runner of experts, by what it holds: families subclass it."""
    return hasattr(module, "moe_config") and isinstance(
        getattr(module, "routed_experts", None), nn.Module
    )
