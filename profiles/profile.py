"""The steering profile: what is edited, by how much, for which model. No I/O."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.errors import ProfileError

Ints = NDArray[np.int32]
Floats = NDArray[np.float32]
# Of a value, either sign: the largest number of float16. Times any strength and summed over many
# profiles it stays finite in float32.
LARGEST = 65504.0
# Beside the mean square of an FFN's input where a memory's key reads it, offline and in engines.
# Keeps an input of zeros, padding for one, from being divided by nothing.
INPUT_EPSILON = 1e-6


@dataclass(frozen=True, kw_only=True, eq=False)
class NeuronEdit:
    """An affine edit of single FFN neurons: y' = y + strength * (add + scale * y).

    A neuron is the entry of the post-activation vector that the FFN's down projection
    reads (Kojima et al. 2024; Geva et al. 2021). "Set to m" is add = m, scale = -1;
    "add v" is add = v, scale = 0; "ablate" is add = 0, scale = -1.

    Attributes:
        layer: int32 [n], decoder layer of each neuron, from 0.
        neuron: int32 [n], index of each neuron in its layer's FFN.
        add: float32 [n], in units of the neuron's activation.
        scale: float32 [n], a factor.
    """

    layer: Ints
    neuron: Ints
    add: Floats
    scale: Floats

    def __len__(self) -> int:
        return int(self.layer.shape[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class OffsetEdit:
    """An offset on the output of whole FFNs: h' = h + strength * value.

    Attributes:
        layer: int32 [k], the decoder layers that carry an offset, from 0.
        value: float32 [k, hidden_size], in units of the FFN's output, before any post-FFN norm.
    """

    layer: Ints
    value: Floats

    def __len__(self) -> int:
        return int(self.layer.shape[0])

    def as_memories(self) -> MemoryEdit:
        """The same as memories that are always on by 1: their keys and biases are zero."""
        bias = np.zeros(len(self), np.float32)
        return MemoryEdit(
            layer=self.layer, key=np.zeros_like(self.value), bias=bias, value=self.value
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class MemoryEdit:
    """One more memory in whole FFNs: h' = h + strength * 2 sigmoid(key . x + bias) * value.

    x is the FFN's input, divided by its root mean square. An FFN is a sum of values, each times
    what its key makes of the input (Geva et al. 2021); this adds one of the kind. An offset is the
    memory whose key is zero: it is always on, also where there is nothing left to change.

    Attributes:
        layer: int32 [k], the decoder layers that get one, from 0.
        key: float32 [k, hidden_size].
        bias: float32 [k].
        value: float32 [k, hidden_size], as an offset's.
    """

    layer: Ints
    key: Floats
    bias: Floats
    value: Floats

    def __len__(self) -> int:
        return int(self.layer.shape[0])


@dataclass(frozen=True, kw_only=True, eq=False)
class Edit:
    """What one role (towards a language, or away from it) changes: any of the three."""

    neurons: NeuronEdit | None = None
    offsets: OffsetEdit | None = None
    memories: MemoryEdit | None = None

    def __post_init__(self) -> None:
        if not (self.neurons or self.offsets or self.memories):
            raise ProfileError("an edit must change at least one neuron or one layer's output")

    def added(self) -> list[MemoryEdit]:
        """What is added to FFN outputs."""
        return [
            *([self.offsets.as_memories()] if self.offsets else []),
            *([self.memories] if self.memories else []),
        ]

    def times(self, factor: float) -> Edit:
        """The edit that does at strength 1 what this one does at strength `factor`."""
        by = np.float32(factor)
        neurons, offsets, memories = self.neurons, self.offsets, self.memories
        return Edit(
            neurons=neurons and replace(neurons, add=neurons.add * by, scale=neurons.scale * by),
            offsets=offsets and replace(offsets, value=offsets.value * by),
            memories=memories and replace(memories, value=memories.value * by),
        )


@dataclass(frozen=True, kw_only=True)
class ModelIdentity:
    """Which model a profile was made for. Serving refuses a profile of another model.

    Attributes:
        name: as the user gave it; informative, not compared.
        architecture: the Hugging Face architecture class.
        layers, hidden_size, intermediate_size: the dimensions the edit indexes.
        tokenizer: sha256 over the sorted vocabulary.
        weights: sha256 over the weight files' headers and samples of their bytes.
    """

    name: str
    architecture: str
    layers: int
    hidden_size: int
    intermediate_size: int
    tokenizer: str
    weights: str


@dataclass(frozen=True, kw_only=True, eq=False)
class Profile:
    """A steering profile of one language for one model.

    Attributes:
        language: BCP 47 tag, e.g. "de".
        model: the model it belongs to.
        target: edit that biases towards the language, or None.
        suppress: edit that biases away from the language, or None.
        provenance: method, its parameters, corpus digest, calibration figures, library
            versions; JSON-serialisable, informative.
    """

    language: str
    model: ModelIdentity
    target: Edit | None = None
    suppress: Edit | None = None
    provenance: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.target is None and self.suppress is None:
            raise ProfileError(f"profile {self.language!r} edits nothing")
        for role, edit in self.edits().items():
            _validate(edit, self.model, f"profile {self.language!r}, {role}")

    def edits(self) -> dict[str, Edit]:
        """The edits by role ("target", "suppress"), those that exist."""
        both = {"target": self.target, "suppress": self.suppress}
        return {role: edit for role, edit in both.items() if edit is not None}

    def tensors(self) -> dict[str, NDArray[Any]]:
        """Every array by its name in the profile file, e.g. "target.neurons.add"."""
        out: dict[str, NDArray[Any]] = {}
        for role, edit in self.edits().items():
            if edit.neurons:
                for name in ("layer", "neuron", "add", "scale"):
                    out[f"{role}.neurons.{name}"] = getattr(edit.neurons, name)
            if edit.offsets:
                for name in ("layer", "value"):
                    out[f"{role}.offsets.{name}"] = getattr(edit.offsets, name)
            if edit.memories:
                for name in ("layer", "key", "bias", "value"):
                    out[f"{role}.memories.{name}"] = getattr(edit.memories, name)
        return out

    @cached_property
    def content_hash(self) -> str:
        """sha256 (hex) of language, model and arrays: two profiles with one hash steer alike."""
        model = {k: v for k, v in asdict(self.model).items() if k != "name"}
        digest = hashlib.sha256(json.dumps([self.language, model], sort_keys=True).encode())
        for name, array in sorted(self.tensors().items()):
            digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        return digest.hexdigest()

    @property
    def version(self) -> str:
        """Short form of the content hash, as clients see it: name@version."""
        return self.content_hash[:12]


def _validate(edit: Edit, model: ModelIdentity, where: str) -> None:
    if neurons := edit.neurons:
        n = len(neurons)
        for name, dtype in (("layer", "i4"), ("neuron", "i4"), ("add", "f4"), ("scale", "f4")):
            _check_array(getattr(neurons, name), (n,), dtype, f"{where}, neurons.{name}")
        _check_range(neurons.layer, model.layers, f"{where}, neurons.layer")
        _check_range(neurons.neuron, model.intermediate_size, f"{where}, neurons.neuron")
        unique = {*zip(neurons.layer.tolist(), neurons.neuron.tolist(), strict=True)}
        if len(unique) != n:
            raise ProfileError(f"{where}: {n - len(unique)} neurons are listed twice")
    if offsets := edit.offsets:
        k = len(offsets)
        _check_array(offsets.layer, (k,), "i4", f"{where}, offsets.layer")
        _check_array(offsets.value, (k, model.hidden_size), "f4", f"{where}, offsets.value")
        _check_range(offsets.layer, model.layers, f"{where}, offsets.layer")
        if len({*offsets.layer.tolist()}) != k:
            raise ProfileError(f"{where}: a layer's offset is listed twice")
    if memories := edit.memories:
        k = len(memories)
        _check_array(memories.layer, (k,), "i4", f"{where}, memories.layer")
        _check_array(memories.bias, (k,), "f4", f"{where}, memories.bias")
        for name in ("key", "value"):
            array = getattr(memories, name)
            _check_array(array, (k, model.hidden_size), "f4", f"{where}, memories.{name}")
        _check_range(memories.layer, model.layers, f"{where}, memories.layer")
        if len({*memories.layer.tolist()}) != k:
            raise ProfileError(f"{where}: a layer's memory is listed twice")


def _check_array(array: NDArray[Any], shape: tuple[int, ...], dtype: str, where: str) -> None:
    if array.shape != shape:
        raise ProfileError(f"{where}: shape {array.shape}, expected {shape}")
    if array.dtype != np.dtype(dtype):
        raise ProfileError(f"{where}: dtype {array.dtype}, expected {np.dtype(dtype)}")
    if dtype == "f4" and not np.isfinite(array).all():
        bad = int((~np.isfinite(array)).sum())
        raise ProfileError(f"{where}: {bad} of {array.size} values are NaN or infinite")
    if dtype == "f4" and array.size and (largest := float(np.abs(array).max())) > LARGEST:
        raise ProfileError(
            f"{where}: a value of {largest:g}; no activation is that large, at most {LARGEST:g} is "
            "allowed"
        )


def _check_range(array: Ints, bound: int, where: str) -> None:
    if array.size and (int(array.min()) < 0 or int(array.max()) >= bound):
        raise ProfileError(
            f"{where}: values {int(array.min())}..{int(array.max())}, the model has 0..{bound - 1}"
        )
