"""Loaded profiles in fixed device tables, one row a combination of edits."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from profiles.compose import compose
from profiles.profile import Edit, Profile
from steering.capacity import Capacity
from steering.errors import CapacityError, EngineError
from steering.request import Combination

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
        offset: float32 [R, H].
    """

    columns: Tensor | None
    add: Tensor | None
    scale: Tensor | None
    offset: Tensor | None


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
        # Neurons taken so far, by layer, over ALL ranks: each rank then refuses the same
        # profile, and none is left half-loaded.
        self._taken: list[set[int]] = [set() for _ in capacity.columns]
        # Slot in the column list of each neuron (index within the shard).
        self._slot: dict[int, dict[int, int]] = {layer: {} for layer in layers}
        self.layers = {layer: self._allocate(layer, device) for layer in layers}

    def _allocate(self, layer: int, device: torch.device | str) -> LayerTables:
        width = min(self.capacity.columns[layer], self._stop - self._start)
        if layer in self._experts:
            width = 0
        hidden = self.capacity.hidden_size

        def zeros(columns: int) -> Tensor:
            return torch.zeros(self.rows, columns, dtype=torch.float32, device=device)

        return LayerTables(
            # Unused columns must be distinct real columns: they are written back unchanged.
            columns=torch.arange(width, device=device) if width else None,
            add=zeros(width) if width else None,
            scale=zeros(width) if width else None,
            offset=zeros(hidden) if self.capacity.offsets else None,
        )

    @property
    def profiles(self) -> list[str]:
        """Content hashes of the loaded profiles."""
        return list(self._profiles)

    @property
    def columns_taken(self) -> list[int]:
        """Per layer of the model, how many columns loaded profiles use."""
        return [len(taken) for taken in self._taken]

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
        wanted = self._check(profile)
        for layer, neurons in enumerate(wanted):
            self._taken[layer] |= neurons
            if neurons and layer in self.layers:
                self._give_slots(layer, neurons)
        self._profiles[profile.content_hash] = profile
        return profile.content_hash

    def unload(self, content_hash: str) -> None:
        """Forget a profile and free the columns that no other profile uses.

        Rows composed from it must be gone already (`Slots.forget`).
        """
        profile = self._profiles.pop(content_hash, None)
        if profile is None:
            return
        still = [_edited(other, len(self._taken)) for other in self._profiles.values()]
        for layer, neurons in enumerate(_edited(profile, len(self._taken))):
            gone = neurons - set().union(*(edited[layer] for edited in still))
            self._taken[layer] -= gone
            for neuron in gone:
                self._slot.get(layer, {}).pop(neuron - self._start, None)

    def write_row(self, row: int, combination: Combination) -> None:
        """Compose `combination` into `row` of every layer.

        Raises:
            EngineError: a profile is not loaded, or lacks the edit asked of it.
        """
        target, suppress = combination
        composed = compose(
            self._edit(target, "target") if target else None,
            [self._edit(content_hash, "suppress") for content_hash in suppress],
        )
        by_layer: dict[int, list[tuple[int, float, float]]] = {}
        for (layer, neuron), (add, scale) in composed.neurons.items():
            by_layer.setdefault(layer, []).append((neuron - self._start, add, scale))
        for layer, tables in self.layers.items():
            if tables.columns is not None and tables.add is not None and tables.scale is not None:
                values = np.zeros((2, tables.columns.shape[0]), dtype=np.float32)
                for local, add, scale in by_layer.get(layer, []):
                    if 0 <= local < self._stop - self._start:
                        values[:, self._slot[layer][local]] = add, scale
                tables.add[row].copy_(torch.from_numpy(values[0]))
                tables.scale[row].copy_(torch.from_numpy(values[1]))
            if tables.offset is not None:
                offset = composed.offsets.get(layer)
                if offset is None:
                    tables.offset[row].zero_()
                else:
                    tables.offset[row].copy_(torch.from_numpy(offset))

    def _edit(self, content_hash: str, role: str) -> Edit:
        profile = self._profiles.get(content_hash)
        if profile is None:
            raise EngineError(
                f"profile {content_hash[:12]} is not loaded in this worker; "
                f"loaded: {', '.join(h[:12] for h in self._profiles) or 'none'}"
            )
        edit = profile.edits().get(role)
        if edit is None:
            raise EngineError(f"profile {profile.language}@{profile.version} has no {role} edit")
        return edit

    def _check(self, profile: Profile) -> list[set[int]]:
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
        if not capacity.offsets and any(edit.offsets for edit in profile.edits().values()):
            raise CapacityError(
                f"{name} has FFN-output offsets and this engine was started without room for "
                "them; restart it with the profile in its folder"
            )
        edited = _edited(profile, len(self._taken))
        if without := [n for n in sorted(self._experts) if edited[n]]:
            raise EngineError(f"{name} edits neurons of layer {without[0]}, {NO_NEURONS}")
        for layer, neurons in enumerate(edited):
            needed = len(self._taken[layer] | neurons)
            if needed > capacity.columns[layer]:
                raise CapacityError(
                    f"{name} needs {needed} edited neurons in layer {layer}, the engine was "
                    f"started with room for {capacity.columns[layer]}; restart it with the profile "
                    "in its folder, or with a larger --column-headroom"
                )
        return edited

    def _give_slots(self, layer: int, neurons: set[int]) -> None:
        """Put the neurons of this rank into the layer's column list, in a fixed order."""
        columns, slots = self.layers[layer].columns, self._slot[layer]
        assert columns is not None, "capacity was checked"
        listed = columns.tolist()
        unused = [slot for slot in range(len(listed)) if slot not in set(slots.values())]
        for neuron in sorted(neurons):
            local = neuron - self._start
            if local in slots or not 0 <= local < self._stop - self._start:
                continue
            slot = unused.pop(0)
            # The neuron may already stand in the list as padding: change places with it.
            if local in listed:
                listed[listed.index(local)] = listed[slot]
            listed[slot] = local
            slots[local] = slot
        columns.copy_(torch.tensor(listed))


def _edited(profile: Profile, layers: int) -> list[set[int]]:
    out: list[set[int]] = [set() for _ in range(layers)]
    for edit in profile.edits().values():
        if edit.neurons:
            pairs = zip(edit.neurons.layer.tolist(), edit.neurons.neuron.tolist(), strict=True)
            for layer, neuron in pairs:
                out[layer].add(neuron)
    return out
