"""The responses to a whole corpus: in memory, or in a temporary file where they are large."""

from __future__ import annotations

import shutil
import tempfile
from types import TracebackType
from typing import IO, Any, Literal, Self

import numpy as np
from numpy.typing import NDArray

from profiles.errors import CorpusError, ModelError
from profiles.profile import Floats

Stored = Literal["float32", "float16"]
MEMORY_LIMIT = 2 << 30


class Responses:
    """A [sentences, layers, units] array that is written by sentence, then read.

    Above the limit it is a file in the folder that TMPDIR names, written without being mapped
    (so that writing takes no memory, and a full disk is an error, not a signal) and mapped for
    reading. The file has no name: its space is given back however the process ends.

    Args:
        shape: of the array.
        stored: float16 halves the space and rounds to 11 bits.
        limit: bytes it may take in memory.

    Raises:
        CorpusError: the file does not fit on the disk; says how much is missing and what to do.
    """

    def __init__(self, shape: tuple[int, int, int], stored: Stored, limit: int) -> None:
        self._dtype: np.dtype[Any] = np.dtype(stored)
        self._shape = shape
        self._file: IO[bytes] | None = None
        self._row = int(np.prod(shape[1:])) * self._dtype.itemsize
        size = shape[0] * self._row
        if size <= limit:
            self._array: Floats = np.empty(shape, self._dtype)
            return
        folder = tempfile.gettempdir()
        free = shutil.disk_usage(folder).free
        if size > free:
            raise self._full(folder, free)
        self._file = tempfile.TemporaryFile(prefix="langsteer-")  # noqa: SIM115 closed in __exit__

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._file is not None:
            self._file.close()

    def write(self, rows: NDArray[np.integer], values: Floats) -> None:
        """Store `values` [len(rows), layers, units] as the responses to sentences `rows`.

        Raises:
            CorpusError: the disk is full.
            ModelError: a value is beyond float16.
        """
        with np.errstate(over="ignore"):  # reported below
            stored = np.ascontiguousarray(values, self._dtype)
        if self._dtype == np.float16 and not np.isfinite(stored).all():
            raise ModelError("the model's responses are beyond float16; store them as float32")
        if self._file is None:
            self._array[rows] = stored
            return
        try:
            for row, value in zip(rows.tolist(), stored, strict=True):
                self._file.seek(row * self._row)
                self._file.write(value.data)
            self._file.flush()
        except OSError as error:
            folder = tempfile.gettempdir()
            raise self._full(folder, shutil.disk_usage(folder).free) from error

    def array(self) -> Floats:
        """All of them; read-only and memory-mapped where they are in a file."""
        if self._file is None:
            return self._array
        return np.memmap(self._file, self._dtype, "r", shape=self._shape)

    def _full(self, folder: str, free: int) -> CorpusError:
        size = self._shape[0] * self._row
        half = "" if self._dtype == np.float16 else ", store them as float16"
        return CorpusError(
            f"the responses of {self._shape[1] * self._shape[2]} neurons to {self._shape[0]} "
            f"sentences take {size / 1e9:.1f} GB, {folder} has {free / 1e9:.1f} GB left; point "
            f"TMPDIR to a larger disk{half}, raise the memory limit or use fewer sentences"
        )
