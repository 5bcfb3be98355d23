from __future__ import annotations

import json
from pathlib import Path

import pytest

from profiles.corpora.corpus import read_corpus
from profiles.errors import CorpusError

LINES = {tag: [f"{tag} sentence {i}" for i in range(120)] for tag in ("en", "de", "zh-Hans")}


def _folder(path: Path, texts: dict[str, list[str]]) -> str:
    path.mkdir(exist_ok=True)
    for tag, lines in texts.items():
        (path / f"{tag}.txt").write_text("\n".join(lines), encoding="utf-8")
    return str(path)


def test_folder_and_jsonl_are_one_corpus(tmp_path: Path) -> None:
    folder = read_corpus(_folder(tmp_path / "texts", LINES))
    file = tmp_path / "texts.jsonl"
    keys = {"en": "language", "de": "lang", "zh-Hans": "lang"}
    rows = [json.dumps({keys[t]: t, "text": x}) for t, lines in LINES.items() for x in lines]
    file.write_text("\n".join(rows))
    jsonl = read_corpus(str(file))
    assert folder.texts == jsonl.texts
    assert folder.digest == jsonl.digest
    assert not folder.warnings


def test_the_digest_sees_every_change(tmp_path: Path) -> None:
    digest = read_corpus(_folder(tmp_path, LINES)).digest
    assert read_corpus(_folder(tmp_path, LINES), ["en", "de"]).digest != digest
    changed = LINES | {"de": ["one more", *LINES["de"]]}
    assert read_corpus(_folder(tmp_path, changed)).digest != digest


def test_starter_corpus_needs_no_warning() -> None:
    corpus = read_corpus()
    assert len(corpus.texts) == 12
    assert not corpus.warnings


def test_blank_lines_repeats_and_byte_order_marks(tmp_path: Path) -> None:
    _folder(tmp_path, LINES)
    text = "\ufeff" + "\n\n".join([*LINES["de"], LINES["de"][0]])
    (tmp_path / "de.txt").write_text(text, encoding="utf-8")
    corpus = read_corpus(str(tmp_path))
    assert corpus.texts["de"] == tuple(LINES["de"])
    assert corpus.warnings == ("de: 1 repeated sentences dropped",)


def test_few_sentences_warn(tmp_path: Path) -> None:
    corpus = read_corpus(
        _folder(
            tmp_path, LINES | {"fr": LINES["en"][:1] * 0 + ["x"] * 0 + [f"f{i}" for i in range(30)]}
        )
    )
    assert "fr: only 30 sentences" in corpus.warnings[0]


@pytest.mark.parametrize(
    ("texts", "languages", "message"),
    [
        ({}, None, "holds no <language>.txt"),
        ({"en": LINES["en"]}, None, "at least two"),
        (LINES, ["en", "fr"], r"no text in fr; it has de, en, zh-Hans"),
        (LINES, ["en", "no such tag"], "BCP 47"),
        (LINES | {"german!": ["x"]}, None, r"german!\.txt.*BCP 47"),
        (LINES | {"fr": []}, None, "fr has 0 different sentences"),
        (LINES | {"fr": ["the same"] * 50}, None, "fr has 1 different sentences"),
        (LINES | {"fr": LINES["en"]}, None, "en and fr share 120 sentences"),
    ],
)
def test_unusable_text_is_refused(
    tmp_path: Path, texts: dict[str, list[str]], languages: list[str] | None, message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        read_corpus(_folder(tmp_path, texts), languages)


def test_other_encodings_are_named(tmp_path: Path) -> None:
    _folder(tmp_path, LINES)
    (tmp_path / "de.txt").write_bytes("Käse\n".encode("latin-1"))
    with pytest.raises(CorpusError, match=r"de\.txt is not UTF-8"):
        read_corpus(str(tmp_path))


@pytest.mark.parametrize("line", ["not json", "[1]", '{"text": "x"}', '{"lang": "de", "text": 3}'])
def test_bad_jsonl_names_the_line(tmp_path: Path, line: str) -> None:
    file = tmp_path / "a.jsonl"
    file.write_text('{"lang": "en", "text": "x"}\n' + line)
    with pytest.raises(CorpusError, match=r"a\.jsonl:2"):
        read_corpus(str(file))


def test_no_such_corpus() -> None:
    with pytest.raises(CorpusError, match="no corpus at"):
        read_corpus("/no/such/place")
