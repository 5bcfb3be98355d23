"""The memories and offsets of all loaded profiles, and which of them each table row has."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from profiles.profile import MemoryEdit, Profile
from steering.capacity import Capacity
from steering.errors import CapacityError
from steering.request import Part


@dataclass(frozen=True, kw_only=True)
class LayerMemories:
    """Device tensors of one layer.

    Attributes:
        key, value: float32 [M, H]; key is None where the capacity has no keys.
        bias: float32 [M], of the keys.
    """

    key: Tensor | None
    bias: Tensor | None
    value: Tensor


class MemoryBank:
    """What is added to FFN outputs: places for memories, the same in every layer.

    An offset is the memory whose key and bias are zero. Any number of a bank's memories work
    together in a row: a row is a number for each place, and not their values over again.

    Nothing is allocated after construction and no tensor is ever replaced, see `Tables`.

    Args:
        capacity: sizes, equal on every worker.
        layers: global indices of the decoder layers this worker holds.
        rows: table rows, the unsteered row 0 included.
        device: where the bank lives.

    Attributes:
        on: float32 [R, M], the factor on each memory that the row has, mostly 1, and 0 elsewhere.
        layers: by global index; none where the capacity has no memories.
    """

    def __init__(
        self,
        capacity: Capacity,
        *,
        layers: Iterable[int],
        rows: int,
        device: torch.device | str = "cpu",
    ) -> None:
        self._capacity = capacity
        count, hidden = capacity.memories, capacity.hidden_size

        def zeros(*shape: int) -> Tensor:
            return torch.zeros(*shape, dtype=torch.float32, device=device)

        self.on = zeros(rows, count)
        self.layers = {
            layer: LayerMemories(
                key=zeros(count, hidden) if capacity.keys else None,
                bias=zeros(count) if capacity.keys else None,
                value=zeros(count, hidden),
            )
            for layer in layers
            if count
        }
        # Whose each place is: (profile, role).
        self._owner: list[tuple[str, str] | None] = [None] * count

    @property
    def taken(self) -> int:
        """How many places loaded profiles use."""
        return sum(owner is not None for owner in self._owner)

    def check(self, profile: Profile, name: str) -> None:
        """Refuse a profile that there is no room for.

        Args:
            profile: not loaded yet.
            name: of it, for the error.

        Raises:
            CapacityError: says what lacks.
        """
        edits = profile.edits().values()
        count = sum(len(edit.added()) for edit in edits)
        if not count:
            return
        restart = "restart the engine with the profile in its folder"
        if not self._capacity.memories:
            raise CapacityError(
                f"{name} edits FFN outputs and this engine was started without room for it; "
                f"{restart}"
            )
        if not self._capacity.keys and any(edit.memories for edit in edits):
            raise CapacityError(
                f"{name} has FFN memories and this engine was started without room for their keys; "
                f"{restart}"
            )
        free = self._capacity.memories - self.taken
        if count > free:
            raise CapacityError(
                f"{name} needs {count} memories a layer and {free} of {self._capacity.memories} "
                f"are free; unload a profile, or {restart} or with a larger --memory-headroom"
            )

    def load(self, profile: Profile) -> None:
        """Give the profile's memories and offsets places; `check` has found room for them."""
        for role, edit in profile.edits().items():
            for added in edit.added():
                place = self._owner.index(None)
                self._owner[place] = profile.content_hash, role
                self._write(place, added)

    def unload(self, content_hash: str) -> None:
        """Free the profile's places. Rows that have them must be gone already."""
        for place, owner in enumerate(self._owner):
            if owner is not None and owner[0] == content_hash:
                self._owner[place] = None

    def write_row(self, row: int, combination: Sequence[Part]) -> None:
        """Let `row` have what the combination's edits add to outputs, and nothing else."""
        factors: dict[tuple[str, str] | None, float] = {
            (part.content_hash, part.role): part.factor for part in combination
        }
        self.on[row].copy_(torch.tensor([factors.get(owner, 0.0) for owner in self._owner]))

    def _write(self, place: int, added: MemoryEdit) -> None:
        at = {layer: n for n, layer in enumerate(added.layer.tolist())}
        for layer, bank in self.layers.items():
            tables = {"key": bank.key, "bias": bank.bias, "value": bank.value}
            for name, table in tables.items():
                if table is None:
                    continue
                if (n := at.get(layer)) is None:
                    table[place].zero_()
                else:
                    table[place].copy_(torch.from_numpy(getattr(added, name)[n : n + 1])[0])
