from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path

import pytest

from server.access_file import read_access
from server.catalog import Catalog
from server.policy_file import PolicyFile, read_policy
from server.yamlfile.problem import FileError
from tests.server.conftest import put

JA = "version: 1\ndefaults: {target: [{language: ja}]}"
DE = JA.replace("ja", "de")


@pytest.fixture
def path(tmp_path: Path) -> Path:
    file = tmp_path / "policy.yaml"
    file.write_text(JA)
    return file


@pytest.fixture
def counted() -> list[bool]:
    return []


@pytest.fixture
def policy(path: Path, catalog: Catalog, counted: list[bool]) -> PolicyFile:
    return PolicyFile(path, 8.0, lambda: catalog, counted.append)


def fixed(policy: PolicyFile) -> str:
    return policy.book.clauses[-1].terms.target[0].language


async def test_a_reload_replaces_the_policy_whole(
    policy: PolicyFile, path: Path, counted: list[bool]
) -> None:
    before = policy.book
    put(path, DE)
    assert policy.book is before
    await policy.reload()
    assert (fixed(policy), counted) == ("de", [True])
    assert policy.book.digest != before.digest
    assert policy.loaded_at > 1_700_000_000


@pytest.mark.parametrize("text", ["version: 2", "", "a: ["])
async def test_a_file_that_cannot_be_used_keeps_the_old_one(
    policy: PolicyFile,
    path: Path,
    counted: list[bool],
    text: str,
    caplog: pytest.LogCaptureFixture,
) -> None:
    before = policy.book
    put(path, text)
    with pytest.raises(FileError):
        await policy.reload()
    put(path, None)
    with pytest.raises(FileError, match="cannot read"):
        await policy.reload()
    assert policy.book is before
    assert counted == [False, False]
    assert [record.levelno for record in caplog.records] == [logging.ERROR] * 2
    assert f"the policy stays as it was, its file cannot be used:\n{path}: " in caplog.text


def test_no_server_starts_with_a_bad_file(path: Path, catalog: Catalog) -> None:
    put(path, "version: 1\ndefaults: {suppress: [zh], strength: {max: 4}}")
    assert read_policy(path, 4.0).clauses
    with pytest.raises(FileError, match="--max-strength"):
        PolicyFile(path, 2.0, lambda: catalog, lambda _: None)


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"\xff",
        b"a: [",
        b"a: " + b"[" * 30 + b"]" * 30,
        b"#" * 4_300_000,
        b"a: \x00",
        b"a: " + b"[" * 9000,
        b"version: 1\na: 1\nb: 2",
        None,
    ],
    ids=["empty", "not UTF-8", "not YAML", "deep", "large", "control", "deeper", "two", "missing"],
)
@pytest.mark.parametrize("read", [read_access, lambda path: read_policy(path, 2.0)])
def test_every_line_of_an_error_names_the_file(
    path: Path, data: bytes | None, read: Callable[[Path], object]
) -> None:
    path.unlink()
    if data is not None:
        path.write_bytes(data)
    with pytest.raises(FileError) as caught:
        read(path)
    lines = str(caught.value).splitlines()
    assert [line.partition(": ")[0] for line in lines] == [str(path)] * len(lines)
    assert len(lines) == len(caught.value.problems)


def test_a_large_file_is_not_measured(path: Path) -> None:
    path.write_bytes(b"#" * 4_300_000)
    with pytest.raises(FileError, match="the file is over 1 MiB"):
        read_policy(path, 2.0)


async def test_what_no_profile_gives_is_a_warning(
    policy: PolicyFile, path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    put(path, "version: 1\ndefaults: {target: [{language: nl}]}")
    caplog.set_level(logging.INFO)
    await policy.reload()
    assert policy.warnings() == ["defaults: no profile steers towards nl"]
    assert "defaults: no profile steers towards nl" in caplog.text
