"""How large the engine's fixed tables must be. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from profiles.profile import Profile

# Columns and memories are padded to whole vector registers; the padding edits nothing.
_MULTIPLE = 16


@dataclass(frozen=True, kw_only=True)
class Capacity:
    """Sizes of the device tables, fixed before the model is compiled.

    Attributes:
        columns: per decoder layer, how many of its neurons may be edited.
        memories: how many memories FFNs may get, of all profiles together; an offset is one.
        keys: whether any of them may have a key.
        hidden_size, intermediate_size: dimensions of the model, checked when it is loaded.
    """

    columns: tuple[int, ...]
    memories: int
    keys: bool
    hidden_size: int
    intermediate_size: int

    def device_bytes(self, rows: int, *, tensor_ranks: int = 1) -> int:
        """Memory that `Tables` of this size take on one device that holds all layers.

        A rank has room for every column that may be its own, up to all neurons that it holds;
        memories are whole on each rank.

        Args:
            rows: table rows, the unsteered row 0 included: in vLLM `max_num_seqs + 1`, or
                twice `max_num_seqs` and one where reasoning may be steered apart.
            tensor_ranks: over which the neurons are spread.
        """
        widths = [min(n, self.intermediate_size // tensor_ranks) for n in self.columns]
        # An index in 8 bytes, and two numbers a row in 4.
        neurons = sum(widths) * (8 + 8 * rows)
        a_memory = self.hidden_size + (self.hidden_size + 1) * self.keys
        bank = self.memories * (rows + len(self.columns) * a_memory) * 4
        return neurons + bank

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


def plan(
    profiles: Iterable[Profile], *, headroom: int = 64, memory_headroom: int = 8
) -> dict[str, Any]:
    """Tables that hold all `profiles` and, per layer, some more edited neurons and memories.

    The headroom is for profiles loaded while the engine runs. Where no profile edits
    neurons at all, layers get no columns and the FFN's activation is left alone; where none edits
    outputs, they get no memories.

    Args:
        profiles: at least one, all of one model.
        headroom: spare columns a layer.
        memory_headroom: spare memories.

    Returns:
        `Capacity.to_config()` of the plan.

    Raises:
        ValueError: no profile is given, or a headroom is negative.
    """
    every = list(profiles)
    if not every:
        raise ValueError("no profiles to plan for")
    model = every[0].model
    edits = [edit for profile in every for edit in profile.edits().values()]
    edited: list[set[int]] = [set() for _ in range(model.layers)]
    for edit in edits:
        if edit.neurons:
            pairs = zip(edit.neurons.layer.tolist(), edit.neurons.neuron.tolist(), strict=True)
            for layer, neuron in pairs:
                edited[layer].add(neuron)
    return sized(
        edited=[len(neurons) for neurons in edited],
        memories=sum(len(edit.added()) for edit in edits),
        keys=any(edit.memories for edit in edits),
        hidden_size=model.hidden_size,
        intermediate_size=model.intermediate_size,
        headroom=headroom,
        memory_headroom=memory_headroom,
    ).to_config()


def sized(
    *,
    edited: Sequence[int],
    memories: int,
    keys: bool,
    hidden_size: int,
    intermediate_size: int,
    headroom: int = 64,
    memory_headroom: int = 8,
) -> Capacity:
    """Tables for so many edits, whether there are profiles of them yet or not.

    Args:
        edited: per decoder layer, how many of its neurons any profile edits.
        memories: of all profiles together; an offset is one.
        keys: whether any of them has a key.
        hidden_size, intermediate_size: dimensions of the model.
        headroom, memory_headroom: see `plan`.

    Raises:
        ValueError: a headroom is negative.
    """
    for name, spare in (("headroom", headroom), ("memory_headroom", memory_headroom)):
        if spare < 0:
            raise ValueError(f"{name} is {spare}, must not be negative")
    any_neurons = any(edited)
    return Capacity(
        columns=tuple(
            min(intermediate_size, _round_up(n + headroom)) if any_neurons else 0 for n in edited
        ),
        memories=_round_up(memories + memory_headroom) if memories else 0,
        keys=keys,
        hidden_size=hidden_size,
        intermediate_size=intermediate_size,
    )


def _round_up(n: int) -> int:
    return -(-n // _MULTIPLE) * _MULTIPLE
