from __future__ import annotations

import errno
import shutil
from collections import namedtuple
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiles.errors import CorpusError, ModelError
from profiles.finding.responses import Responses

SHAPE = (6, 2, 5)


@pytest.mark.parametrize("stored", ["float32", "float16"])
@pytest.mark.parametrize("limit", [0, 1 << 20])
def test_what_is_written_is_read(limit: int, stored: Any) -> None:
    values = np.random.default_rng(0).normal(size=SHAPE).astype(np.float32)
    with Responses(SHAPE, stored, limit) as responses:
        for rows in ([5, 0, 3], [4], [1, 2]):
            responses.write(np.array(rows), values[rows])
        array = responses.array()
    np.testing.assert_array_equal(array, values.astype(stored))
    assert isinstance(array, np.memmap) == (limit == 0)


def test_the_limit_is_the_size_of_the_array() -> None:
    size = 4 * 6 * 2 * 5
    for limit, mapped in ((size, False), (size - 1, True)):
        with Responses(SHAPE, "float32", limit) as responses:
            responses.write(np.arange(6), np.zeros(SHAPE, np.float32))
            assert isinstance(responses.array(), np.memmap) == mapped
    with Responses(SHAPE, "float16", size // 2) as responses:
        assert not isinstance(responses.array(), np.memmap)


def test_the_file_goes_where_tmpdir_says_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import tempfile

    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr(tempfile, "tempdir", None)
    asked: list[str] = []
    usage = shutil.disk_usage
    monkeypatch.setattr(shutil, "disk_usage", lambda p: asked.append(str(p)) or usage(p))
    with Responses(SHAPE, "float32", 0) as responses:
        responses.write(np.arange(6), np.ones(SHAPE, np.float32))
        assert asked == [str(tmp_path)]
        assert list(tmp_path.iterdir()) == []


def test_too_little_space_is_told_before_anything_is_written(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda _p: usage(10**10, 0, 10**9))
    with pytest.raises(CorpusError, match=r"take 4\.0 GB, .* 1\.0 GB left; point TMPDIR .*float16"):
        Responses((1000, 10, 100_000), "float32", 0)
    with pytest.raises(CorpusError, match=r"take 2\.0 GB.*larger disk, raise the memory limit"):
        Responses((1000, 10, 100_000), "float16", 0)


def test_a_disk_that_fills_up_is_an_error_with_advice(monkeypatch: pytest.MonkeyPatch) -> None:
    with Responses(SHAPE, "float32", 0) as responses:

        class Full:
            def seek(self, _at: int) -> None: ...

            def write(self, _data: Any) -> None:
                raise OSError(errno.ENOSPC, "No space left on device")

            def close(self) -> None: ...

        responses._file.close()
        monkeypatch.setattr(responses, "_file", Full())
        with pytest.raises(CorpusError, match="TMPDIR"):
            responses.write(np.arange(6), np.zeros(SHAPE, np.float32))


def test_values_beyond_float16_are_refused() -> None:
    with (
        Responses(SHAPE, "float16", 1 << 20) as responses,
        pytest.raises(ModelError, match="beyond float16"),
    ):
        responses.write(np.arange(6), np.full(SHAPE, 70_000, np.float32))
