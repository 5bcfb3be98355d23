"""How large the engine's fixed tables must be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from profiles.profile import Profile

# Columns are padded to whole vector registers; the padding edits nothing.
_MULTIPLE = 16


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Sizes of the device tables, fixed before the model is compiled.

    Attributes:
        columns: per decoder layer, how many of its neurons may be edited.
        offsets: whether FFN outputs may carry an offset.
        memories: whether FFNs may get a memory.
        hidden_size, intermediate_size: dimensions of the model, checked when it is loaded.
    """

    columns: tuple[int, ...]
    offsets: bool
    memories: bool
    hidden_size: int
    intermediate_size: int

    def to_config(self) -> dict[str, Any]:
        """JSON form, as it travels in vLLM's additional_config["langsteer"]."""
        return {**asdict(self), "columns": list(self.columns)}

    @classmethod
    def from_config(cls, config: Mapping[str, Any]) -> Capacity:
        """The inverse of `to_config`.

        Raises:
            ValueError: a key is missing or unknown.
        """
        names = set(cls.__dataclass_fields__)
        if set(config) != names:
            raise ValueError(
                f'additional_config["langsteer"] has keys {sorted(config)}, '
                f"expected {sorted(names)}"
            )
        return cls(**{**config, "columns": tuple(config["columns"])})


def plan(profiles: Iterable[Profile], *, headroom: int = 64) -> dict[str, Any]:
    """Tables that hold all `profiles` and, per layer, `headroom` more edited neurons.

    The headroom is for profiles loaded while the engine runs. Where no profile edits
    neurons at all, layers get no columns and the FFN's activation is left alone.

    Args:
        profiles: at least one, all of one model.
        headroom: spare columns a layer.

    Returns:
        `Capacity.to_config()` of the plan.

    Raises:
        ValueError: no profile is given, or headroom is negative.
    """
    every = list(profiles)
    if not every:
        raise ValueError("no profiles to plan for")
    if headroom < 0:
        raise ValueError(f"headroom is {headroom}, must not be negative")
    model = every[0].model
    edits = [edit for profile in every for edit in profile.edits().values()]
    edited: list[set[int]] = [set() for _ in range(model.layers)]
    for edit in edits:
        if edit.neurons:
            pairs = zip(edit.neurons.layer.tolist(), edit.neurons.neuron.tolist(), strict=True)
            for layer, neuron in pairs:
                edited[layer].add(neuron)
    any_neurons = any(edited)
    columns = tuple(
        min(model.intermediate_size, _round_up(len(neurons) + headroom)) if any_neurons else 0
        for neurons in edited
    )
    return Capacity(
        columns=columns,
        offsets=any(edit.offsets for edit in edits),
        memories=any(edit.memories for edit in edits),
        hidden_size=model.hidden_size,
        intermediate_size=model.intermediate_size,
    ).to_config()


def _round_up(n: int) -> int:
    return -(-n // _MULTIPLE) * _MULTIPLE
