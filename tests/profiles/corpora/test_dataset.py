"""Datasets: the real package on local files, and a stream that tells how far it was read."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from profiles.corpora.corpus import read_corpus
from profiles.errors import CorpusError

TAGS = ("de", "en")


def _row(tag: str, number: int) -> dict[str, str]:
    return {"lang": tag, "text": f"{tag} sentence {number}"}


def _rows(folder: Path, name: str, rows: list[dict[str, Any]]) -> None:
    folder.mkdir(exist_ok=True)
    (folder / name).write_text("\n".join(map(json.dumps, rows)))


@pytest.fixture
def offline(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    datasets = pytest.importorskip("datasets")
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")


@pytest.mark.usefixtures("offline")
def test_a_folder_of_tables_is_a_dataset(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    _rows(folder, "train.jsonl", [_row(t, n) for n in range(30) for t in TAGS])
    corpus = read_corpus(str(folder), limit=25)
    assert corpus.texts["de"] == tuple(f"de sentence {n}" for n in range(25))
    assert not [*(tmp_path / "cache").rglob("*.arrow")]  # streamed, not stored


@pytest.mark.usefixtures("offline")
def test_wide_tables(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    _rows(folder, "train.jsonl", [{"deu": f"ja {n}", "eng": f"yes {n}"} for n in range(30)])
    corpus = read_corpus(str(folder), columns={"en": "eng", "de": "deu"})
    assert corpus.texts["en"][29] == "yes 29"
    assert [*corpus.texts] == ["en", "de"]
    with pytest.raises(CorpusError, match=r"expected .* found the columns deu, eng"):
        read_corpus(str(folder))


@pytest.mark.usefixtures("offline")
def test_what_datasets_raises_is_one_line(tmp_path: Path) -> None:
    folder = tmp_path / "tables"
    _rows(folder, "train.jsonl", [])
    with pytest.raises(CorpusError, match="cannot load the dataset") as caught:
        read_corpus(str(folder))
    assert "\n" not in str(caught.value)


class Hub:
    """Stands for the package; counts the rows that were fetched."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, tables: dict[Any, Any]) -> None:
        self.tables, self.fetched = tables, 0
        module = SimpleNamespace(load_dataset=self.load, disable_progress_bars=lambda: None)
        monkeypatch.setitem(sys.modules, "datasets", module)  # type: ignore[arg-type]

    def load(self, name: str, configuration: str | None, *, split: str, streaming: bool) -> Any:
        assert streaming
        return self._stream(self.tables[name, configuration, split])

    def _stream(self, rows: Any) -> Iterator[Any]:
        for row in rows:
            if isinstance(row, Exception):
                raise row
            self.fetched += 1
            yield row


def _endless() -> Iterator[dict[str, str]]:
    number = 0
    while True:
        for tag in (*TAGS, "fr"):
            yield _row(tag, number)
        number += 1


def test_a_stream_is_left_as_soon_as_there_is_enough(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = Hub(monkeypatch, {("some/texts", None, "test"): _endless()})
    corpus = read_corpus("some/texts:test", ["en", "de"], limit=50)
    assert {tag: len(t) for tag, t in corpus.texts.items()} == {"en": 50, "de": 50}
    assert hub.fetched == 49 * 3 + 2


def test_a_configuration_a_language(monkeypatch: pytest.MonkeyPatch) -> None:
    rows = {tag: [{"text": f"{tag} {n}"} for n in range(90)] for tag in TAGS}
    hub = Hub(monkeypatch, {("wiki", f"2023.{tag}", "train"): rows[tag] for tag in TAGS})
    corpus = read_corpus("wiki:2023.{language}:train", TAGS, limit=30)
    assert corpus.texts["de"][29] == "de 29"
    assert corpus.numbers_of("en") == tuple(range(30))
    assert hub.fetched == 62  # one more each: that is where it notices
    with pytest.raises(CorpusError, match="name the languages"):
        read_corpus("wiki:2023.{language}:train")


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("broken", r"cannot load the dataset 'broken': the line is down"),
        ("missing", "cannot load the dataset 'missing'"),
        ("a:b:c:d", "not of the form"),
        ("tags:{language}", r"tags:de\[0\]: no text column; the columns are body"),
    ],
)
def test_failures_name_the_dataset(
    monkeypatch: pytest.MonkeyPatch, source: str, message: str
) -> None:
    broken = [_row("de", 0), OSError("the line is down\nat 3 o'clock")]
    Hub(
        monkeypatch,
        {("broken", None, "train"): broken, ("tags", None, "de"): [{"body": "x"}]},
    )
    with pytest.raises(CorpusError, match=message):
        read_corpus(source, TAGS)


def test_without_the_package_the_error_says_what_to_install(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setitem(sys.modules, "datasets", None)
    with pytest.raises(CorpusError, match=r"pip install 'langsteer\[datasets\]'"):
        read_corpus("some/texts")
