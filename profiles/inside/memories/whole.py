"""Whether the parts of a store fit together. Pure numpy."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.errors import CorpusError
from profiles.inside.memories.memory_store import MemoryStore, MemoryStoreError
from profiles.language import check_tag


def check_whole(store: MemoryStore) -> None:
    """Whether every index in the store leads somewhere, and every array has the store's sizes.

    Raises:
        MemoryStoreError: says which does not.
    """
    for tag in store.languages:
        try:
            check_tag(tag)
        except CorpusError as error:
            raise MemoryStoreError(f"languages: {error}") from error
    languages, vocabulary = len(store.languages), len(store.pieces)
    groups = len(store.groups.scripts) + languages + 1
    layers, neurons = store.shape
    _about(store.about)
    text, sampled, triggers = store.text, store.sampled, store.triggers
    _index("text.labels", text.labels, languages)
    _index("text.tokens", text.tokens, vocabulary)
    _steps("text.starts", text.starts, len(text.labels), len(text.tokens))
    _steps("pieces.starts", store.pieces.starts, vocabulary, len(store.pieces.data))
    _index("groups.script", store.groups.script, len(store.groups.scripts))
    _shape("groups.script", store.groups.script, (vocabulary,))
    _shape("groups.share", store.groups.share, (vocabulary, languages + 1))
    for end in ("high", "low"):
        places = getattr(triggers, f"{end}_at")
        _index(f"triggers.{end}_at", places, len(text.tokens), none=-1)
        _shape(f"triggers.{end}_at", places, (layers, neurons, places.shape[-1]))
        _shape(f"triggers.{end}", getattr(triggers, end), places.shape)
    for name in ("ap", "mean", "std", "active"):
        _shape(f"scores.{name}", getattr(store.scores, name), (languages, layers, neurons))
    if store.said is not None:
        said, count = store.said, store.said.tokens.shape[-1]
        _index("said.tokens", said.tokens, vocabulary)
        _shape("said.tokens", said.tokens, (layers, neurons, 2, count))
        _shape("said.probability", said.probability, (layers, neurons, 2, count))
        _shape("said.mass", said.mass, (layers, neurons, 2, groups))
    _index("sampled.labels", sampled.labels, languages)
    for name, array in vars(sampled).items():
        by_layer = name not in ("labels", "final")
        sizes = (len(sampled.labels), layers) if by_layer else (len(sampled.labels),)
        _shape(f"sampled.{name}", array, sizes)


def _about(about: Any) -> None:
    wanted = {"corpus": Mapping, "tokens": list, "positions": int, "seed": int, "seconds": Mapping}
    for name, kind in wanted.items():
        if not isinstance(about, Mapping) or not isinstance(about.get(name), kind):
            raise MemoryStoreError(f"about: no {name}")
    if not isinstance(about["corpus"].get("source"), str):
        raise MemoryStoreError("about: no source of its corpus")


def _index(name: str, array: NDArray[Any], size: int, none: int = 0) -> None:
    """Whether all of it is from `none` up to `size`."""
    if array.size and not (none <= array.min() and array.max() < size):
        raise MemoryStoreError(f"{name} goes from {array.min()} to {array.max()}, of {size}")


def _shape(name: str, array: NDArray[Any], shape: tuple[int, ...]) -> None:
    if array.shape != shape:
        raise MemoryStoreError(f"{name} is {array.shape}, expected {shape}")


def _steps(name: str, array: NDArray[Any], count: int, end: int) -> None:
    """Whether it is the beginnings of `count` parts of `end` things, and the end."""
    _shape(name, array, (count + 1,))
    if array[0] != 0 or array[-1] != end or bool((np.diff(array) < 0).any()):
        raise MemoryStoreError(f"{name} does not go from 0 to {end}")
