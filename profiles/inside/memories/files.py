"""Stores of memories as files: one safetensors file a model, whole or not at all."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from profiles.atomic import write_atomically
from profiles.inside.memories.groups import UNKNOWN, Groups
from profiles.inside.memories.memory_store import MemoryStore, MemoryStoreError
from profiles.inside.memories.pieces import Pieces
from profiles.inside.memories.said import Said
from profiles.inside.memories.sampled import Sampled
from profiles.inside.memories.scores import LanguageScores
from profiles.inside.memories.text import Text
from profiles.inside.memories.triggers import Triggers
from profiles.inside.memories.whole import check_whole
from profiles.models.demo_model import cache_dir
from profiles.models.fingerprint import differences
from profiles.profile import ModelIdentity

FORMAT_VERSION = 2
_KEY = "langsteer-memories"
_PARTS: dict[str, Any] = {
    "pieces": Pieces,
    "text": Text,
    "triggers": Triggers,
    "scores": LanguageScores,
    "said": Said,
    "sampled": Sampled,
}
Arrays = dict[str, NDArray[Any]]


def default_place(model: ModelIdentity) -> Path:
    """Where a model's store is unless said otherwise: in langsteer's cache, by fingerprint."""
    identity = {k: v for k, v in asdict(model).items() if k != "name"}
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()
    return cache_dir() / "memories" / f"{digest[:16]}.safetensors"


def save_store(store: MemoryStore, path: Path) -> None:
    """Write the file; its folder is made where it is missing.

    Raises:
        MemoryStoreError: it cannot be written.
    """
    arrays = _arrays(store)
    header = {
        "format_version": FORMAT_VERSION,
        "model": asdict(store.model),
        "languages": store.languages,
        "scripts": store.groups.scripts,
        "about": store.about,
    }
    header["digest"] = _digest(header, arrays)
    data = save_tensors(arrays, metadata={_KEY: json.dumps(header)})
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write_atomically(path, data)
    except OSError as error:
        raise MemoryStoreError(f"cannot write {path}: {error.strerror or error}") from error


def read_store(path: Path, expect: ModelIdentity | None = None) -> MemoryStore:
    """The store in `path`, verified.

    Args:
        path: what `save_store` wrote.
        expect: the model it must be of; None skips that check only.

    Raises:
        MemoryStoreError: missing, damaged, of another format or another model.
    """
    remake = f"run `langsteer inspect collect {expect.name if expect else 'MODEL'}`"
    if not path.is_file():
        raise MemoryStoreError(f"no store of memories at {path}; {remake} first")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise MemoryStoreError(f"cannot read {path}: {error.strerror or error}") from error
    header = _header(data, path, remake)
    if header.get("format_version") != FORMAT_VERSION:
        raise MemoryStoreError(
            f"{path}: format version {header.get('format_version')!r}, this langsteer reads "
            f"{FORMAT_VERSION}; {remake}"
        )
    try:
        arrays: Arrays = load_tensors(data)
        if (found := _digest(header, arrays)) != header["digest"]:
            raise MemoryStoreError(f"digest {found[:12]}, expected {str(header['digest'])[:12]}")
        store = _store(header, arrays)
        check_whole(store)
    except (
        SafetensorError,
        MemoryStoreError,
        KeyError,
        AttributeError,
        TypeError,
        ValueError,
        IndexError,
    ) as error:
        raise MemoryStoreError(f"{path} is damaged ({error}); {remake}") from error
    if expect is not None and (differing := differences(expect, store.model)):
        raise MemoryStoreError(
            f"{path} is of another model ({store.model.name}; this one is {expect.name}): "
            f"{differing}; {remake}"
        )
    return store


def _arrays(store: MemoryStore) -> Arrays:
    groups = store.groups
    out: Arrays = {"groups.script": groups.script, "groups.share": groups.share}
    for part, kind in _PARTS.items():
        if (value := getattr(store, part)) is not None:
            out |= {f"{part}.{f.name}": getattr(value, f.name) for f in fields(kind)}
    return {name: np.ascontiguousarray(array) for name, array in out.items()}


def _store(header: Mapping[str, Any], arrays: Arrays) -> MemoryStore:
    parts: dict[str, Any] = {"said": None}
    for part, kind in _PARTS.items():
        if part != "said" or "said.tokens" in arrays:
            parts[part] = kind(**{f.name: arrays[f"{part}.{f.name}"] for f in fields(kind)})
    languages = tuple(header["languages"])
    return MemoryStore(
        model=ModelIdentity(**header["model"]),
        languages=languages,
        about=header["about"],
        groups=Groups(
            scripts=tuple(header["scripts"]),
            languages=(*languages, UNKNOWN),
            script=arrays["groups.script"],
            share=arrays["groups.share"],
        ),
        **parts,
    )


def _digest(header: Mapping[str, Any], arrays: Mapping[str, NDArray[Any]]) -> str:
    """Of all that is in the file but the digest itself."""
    said = {name: value for name, value in header.items() if name != "digest"}
    digest = hashlib.sha256(json.dumps(said, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        digest.update(f"\0{name}\0{array.dtype.str}\0{array.shape}\0".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()


def _header(data: bytes, path: Path, remake: str) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise MemoryStoreError(
            f"{path}: truncated or not a safetensors file ({len(data)} bytes); {remake}"
        )
    try:
        header = json.loads(json.loads(data[8 : 8 + length])["__metadata__"][_KEY])
    except (ValueError, KeyError, TypeError) as error:
        raise MemoryStoreError(
            f"{path}: not a store of memories (no {_KEY!r} in a safetensors header); {remake}"
        ) from error
    if not isinstance(header, dict):
        raise MemoryStoreError(f"{path}: its {_KEY!r} is not a JSON object; {remake}")
    return header
