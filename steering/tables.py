"""Loaded profiles in fixed device tables, one row a combination of edits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiles.compose import compose_neurons
from profiles.profile import Edit, Profile
from steering.capacity import Capacity
from steering.errors import CapacityError, EngineError
from steering.memory_bank import MemoryBank
from steering.request import Combination, Part

NO_NEURONS = (
    "a mixture of experts: fused kernels run them, and no neuron vector is there to be read or "
    "edited. Offsets on the FFN outputs work: make the profile by `langsteer profile` with its "
    "default --method"
)


@dataclass(frozen=True, kw_only=True)
class LayerTables:
    """Device tensors of one layer; None where the capacity gives the layer no such edit.

    Attributes:
        columns: int64 [C], distinct indices into this rank's neurons.
        add, scale: float32 [R, C].
    """

    columns: Tensor | None
    add: Tensor | None
    scale: Tensor | None


class Tables:
    """The tables of every layer of this worker, and the profiles they can be filled from.

    Nothing is allocated after construction and no tensor is ever replaced: a compiled
    graph or CUDA graph keeps reading the same memory while profiles come and go.

    Args:
        capacity: sizes, equal on every worker.
        layers: global indices of the decoder layers this worker holds (pipeline parallel).
        shard: [start, stop) of the neurons this worker holds (tensor parallel).
        rows: table rows, the unsteered row 0 included.
        device: where the tables live.
        experts: those of `layers` that are mixtures of experts and have no neurons to edit.

    Attributes:
        bank: what is added to FFN outputs.
    """

    def __init__(
        self,
        capacity: Capacity,
        *,
        layers: list[int],
        shard: tuple[int, int],
        rows: int,
        device: torch.device | str = "cpu",
        experts: Collection[int] = (),
    ) -> None:
        self.capacity = capacity
        self.rows = rows
        self._start, self._stop = shard
        self._experts = frozenset(experts)
        self._profiles: dict[str, Profile] = {}
        # How many profiles edit each neuron [layers, neurons], of ALL ranks: each rank then
        # refuses the same profile, and none is left half-loaded.
        self._uses = np.zeros((len(capacity.columns), capacity.intermediate_size), np.int16)
        # Slot in the column list of each neuron of the shard, -1 without one.
        self._slot = {layer: np.full(self._stop - self._start, -1) for layer in layers}
        self.layers = {layer: self._allocate(layer, device) for layer in layers}
        self.bank = MemoryBank(capacity, layers=layers, rows=rows, device=device)

    def _allocate(self, layer: int, device: torch.device | str) -> LayerTables:
        width = min(self.capacity.columns[layer], self._stop - self._start)
        if layer in self._experts:
            width = 0

        def zeros(*columns: int) -> Tensor:
            return torch.zeros(self.rows, *columns, dtype=torch.float32, device=device)

        return LayerTables(
            # Unused columns must be distinct real columns: they are written back unchanged.
            columns=torch.arange(width, device=device) if width else None,
            add=zeros(width) if width else None,
            scale=zeros(width) if width else None,
        )

    @property
    def profiles(self) -> list[str]:
        """Content hashes of the loaded profiles."""
        return list(self._profiles)

    @property
    def columns_taken(self) -> list[int]:
        """Per layer of the model, how many columns loaded profiles use."""
        taken: list[int] = np.count_nonzero(self._uses, axis=1).tolist()
        return taken

    def load(self, profile: Profile) -> str:
        """Make a profile available to `write_row`; loading it twice changes nothing.

        Returns:
            The profile's content hash.

        Raises:
            EngineError: the profile's dimensions are not the model's, or it edits neurons of a
                mixture of experts.
            CapacityError: no room; nothing was changed.
        """
        if profile.content_hash in self._profiles:
            return profile.content_hash
        for layer, neurons in self._check(profile).items():
            self._uses[layer, neurons] += 1
            if layer in self.layers:
                self._give_slots(layer, neurons)
        self.bank.load(profile)
        self._profiles[profile.content_hash] = profile
        return profile.content_hash

    def unload(self, content_hash: str) -> None:
        """Forget a profile and free its memories and the columns that no other profile uses.

        Rows composed from it must be gone already (`Slots.forget`).
        """
        profile = self._profiles.pop(content_hash, None)
        if profile is None:
            return
        self.bank.unload(content_hash)
        for layer, neurons in _edited(profile).items():
            self._uses[layer, neurons] -= 1
            if layer in self.layers:
                self._slot[layer][self._uses[layer, self._start : self._stop] == 0] = -1

    def write_row(self, row: int, combination: Combination) -> None:
        """Compose `combination` into `row` of every layer.

        Raises:
            EngineError: a profile is not loaded, or lacks the edit asked of it.
        """
        parts = [(part.role, self._edit(part)) for part in combination]
        neurons = compose_neurons(
            next((edit for role, edit in parts if role == "target"), None),
            [edit for role, edit in parts if role == "suppress"],
        )
        self.bank.write_row(row, combination)
        for layer, tables in self.layers.items():
            if tables.columns is not None and tables.add is not None and tables.scale is not None:
                values = np.zeros((2, tables.columns.shape[0]), dtype=np.float32)
                if edited := neurons.get(layer):
                    mine = (edited.neuron >= self._start) & (edited.neuron < self._stop)
                    slots = self._slot[layer][edited.neuron[mine] - self._start]
                    values[:, slots] = edited.add[mine], edited.scale[mine]
                tables.add[row].copy_(torch.from_numpy(values[0]))
                tables.scale[row].copy_(torch.from_numpy(values[1]))

    def _edit(self, part: Part) -> Edit:
        profile = self._profiles.get(part.content_hash)
        if profile is None:
            raise EngineError(
                f"profile {part.content_hash[:12]} is not loaded in this worker; "
                f"loaded: {', '.join(h[:12] for h in self._profiles) or 'none'}"
            )
        edit = profile.edits().get(part.role)
        if edit is None:
            named = f"{profile.language}@{profile.version}"
            raise EngineError(f"profile {named} has no {part.role} edit")
        return edit if part.factor == 1 else edit.times(part.factor)

    def _check(self, profile: Profile) -> dict[int, NDArray[np.int32]]:
        """The neurons `profile` edits by layer, if the tables have room for it all."""
        model, capacity = profile.model, self.capacity
        found = (model.layers, model.hidden_size, model.intermediate_size)
        expected = (len(capacity.columns), capacity.hidden_size, capacity.intermediate_size)
        name = f"profile {profile.language}@{profile.version}"
        if found != expected:
            raise EngineError(
                f"{name} is for a model of (layers, hidden, intermediate) = {found}, "
                f"this one has {expected}"
            )
        self.bank.check(profile, name)
        edited = _edited(profile)
        if without := sorted(self._experts & edited.keys()):
            raise EngineError(f"{name} edits neurons of layer {without[0]}, {NO_NEURONS}")
        if edited and not any(capacity.columns):
            raise CapacityError(
                f"{name} edits neurons and this engine was started without room for any; restart "
                "it with the profile in its folder"
            )
        taken = self.columns_taken
        for layer, neurons in edited.items():
            needed = taken[layer] + int(np.count_nonzero(self._uses[layer, neurons] == 0))
            if needed > capacity.columns[layer]:
                raise CapacityError(
                    f"{name} needs {needed} edited neurons in layer {layer}, the engine was "
                    f"started with room for {capacity.columns[layer]}; restart it with the profile "
                    "in its folder, or with a larger --column-headroom"
                )
        return edited

    def _give_slots(self, layer: int, neurons: NDArray[np.int32]) -> None:
        """Put the neurons of this rank into the layer's column list, in a fixed order.

        The rest of the list must be distinct real columns too: the first that nobody edits.
        """
        columns, slots = self.layers[layer].columns, self._slot[layer]
        assert columns is not None, "capacity was checked"
        local = neurons[(neurons >= self._start) & (neurons < self._stop)] - self._start
        new = local[slots[local] < 0]
        free = np.ones(columns.shape[0], dtype=bool)
        free[slots[slots >= 0]] = False
        unused = np.flatnonzero(free)
        slots[new] = unused[: len(new)]
        padding = unused[len(new) :]
        listed = np.empty(columns.shape[0], dtype=np.int64)
        listed[slots[slots >= 0]] = np.flatnonzero(slots >= 0)
        listed[padding] = np.flatnonzero(slots < 0)[: len(padding)]
        columns.copy_(torch.from_numpy(listed))


def _edited(profile: Profile) -> dict[int, NDArray[np.int32]]:
    """The neurons a profile edits, in either role, by layer: ascending, none twice."""
    edits = [edit.neurons for edit in profile.edits().values() if edit.neurons]
    if not edits:
        return {}
    layers = np.concatenate([edit.layer for edit in edits])
    neurons = np.concatenate([edit.neuron for edit in edits])
    return {layer: np.unique(neurons[layers == layer]) for layer in np.unique(layers).tolist()}
