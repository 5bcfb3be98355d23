"""Read a GGUF file: metadata and dequantized tensors.

The `gguf` package's own reader makes a numpy view of each of 262k tokens and takes 11 s on a
file this reads in one; only its dequantization is used.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

_SCALARS = {
    0: "B",
    1: "b",
    2: "H",
    3: "h",
    4: "I",
    5: "i",
    6: "f",
    7: "?",
    10: "Q",
    11: "q",
    12: "d",
}
_STRING, _ARRAY, _Q8_0 = 8, 9, 8


@dataclass(frozen=True, kw_only=True)
class _Entry:
    name: str
    shape: tuple[int, ...]  # row-major: rows first
    kind: int
    offset: int


class GGUFFile:
    """A GGUF file, opened for reading.

    Attributes:
        metadata: every key-value pair; arrays as lists.

    Raises:
        ValueError: not a GGUF file of version 2 or 3.
    """

    def __init__(self, path: Path) -> None:
        self._data: NDArray[np.uint8] = np.memmap(path, dtype=np.uint8, mode="r")
        self._bytes = self._data.data
        self._at = 0
        magic, version, tensors, pairs = self._unpack("4sIQQ")
        if magic != b"GGUF" or version not in (2, 3):
            raise ValueError(f"{path}: not a GGUF file of version 2 or 3")
        self.metadata: dict[str, Any] = {}
        for _ in range(pairs):
            key = self._string()
            (kind,) = self._unpack("I")
            self.metadata[key] = self._value(kind)
        self._entries = [self._entry() for _ in range(tensors)]
        alignment = int(self.metadata.get("general.alignment", 32))
        self._start = -(-self._at // alignment) * alignment

    def tensors(self) -> Iterator[tuple[str, NDArray[np.float32]]]:
        """(name, values) of every tensor, dequantized, row-major."""
        from gguf import GGMLQuantizationType
        from gguf.constants import GGML_QUANT_SIZES
        from gguf.quants import dequantize

        for entry in self._entries:
            kind = GGMLQuantizationType(entry.kind)
            block, size = GGML_QUANT_SIZES[kind]
            count = int(np.prod(entry.shape)) // block * size
            first = self._start + entry.offset
            raw = self._data[first : first + count]
            if entry.kind == _Q8_0:
                yield entry.name, _q8_0(raw).reshape(entry.shape)
            else:
                rows = np.asarray(raw).reshape(*entry.shape[:-1], -1)
                if entry.kind == 0:
                    rows = rows.view(np.float32)
                yield entry.name, dequantize(rows, kind).reshape(entry.shape)

    def _unpack(self, form: str) -> tuple[Any, ...]:
        form = "<" + form
        values = struct.unpack_from(form, self._bytes, self._at)
        self._at += struct.calcsize(form)
        return values

    def _string(self) -> str:
        (length,) = self._unpack("Q")
        self._at += length
        return bytes(self._bytes[self._at - length : self._at]).decode()

    def _value(self, kind: int) -> Any:
        if kind == _STRING:
            return self._string()
        if kind == _ARRAY:
            inner, count = self._unpack("IQ")
            if inner in _SCALARS:
                return list(self._unpack(f"{count}{_SCALARS[inner]}"))
            return [self._value(inner) for _ in range(count)]
        return self._unpack(_SCALARS[kind])[0]

    def _entry(self) -> _Entry:
        name = self._string()
        (dims,) = self._unpack("I")
        shape = tuple(reversed(self._unpack(f"{dims}Q")))
        kind, offset = self._unpack("IQ")
        return _Entry(name=name, shape=shape, kind=kind, offset=offset)


def _q8_0(raw: NDArray[np.uint8]) -> NDArray[np.float32]:
    """Blocks of a float16 scale and 32 int8; apart because the embedding is most of the file."""
    blocks = np.asarray(raw).view(np.dtype([("scale", "<f2"), ("q", "i1", 32)]))
    return blocks["q"] * blocks["scale"].astype(np.float32)[:, None]
