from __future__ import annotations

import gzip
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
    corpus = read_corpus(_folder(tmp_path, LINES | {"fr": [f"f{i}" for i in range(30)]}))
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
        (LINES | {"fr": ["the same"] * 50}, None, "fr has 1 different sentences and lacks 19"),
        (
            LINES | {"fr": ["x"], "es": []},
            None,
            "es has 0 .* and lacks 20; fr has 1 .* at least 20",
        ),
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
    (tmp_path / "de.txt").write_bytes(b"Wurst\n" + "Käse\n".encode("latin-1"))
    with pytest.raises(CorpusError, match=r"de\.txt is not UTF-8 \(line 2\)"):
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


def test_sentences_are_one_whatever_their_spelling(tmp_path: Path) -> None:
    lines = [*LINES["de"], "Cafe\u0301  am\tMarkt", "Caf\u00e9 am Markt", "CAF\u00c9 AM MARKT"]
    corpus = read_corpus(_folder(tmp_path, LINES | {"de": lines}))
    assert corpus.texts["de"] == (*LINES["de"], "Caf\u00e9 am Markt")
    assert corpus.warnings == ("de: 2 repeated sentences dropped",)


def test_what_is_dropped_leaves_the_others_numbers_alone(tmp_path: Path) -> None:
    german = ["", LINES["de"][1], LINES["de"][1], *LINES["de"][3:]]
    corpus = read_corpus(_folder(tmp_path, LINES | {"de": german}))
    assert corpus.numbers_of("en") == tuple(range(120))
    assert corpus.numbers_of("de") == (1, *range(3, 120))
    by_number = dict(zip(corpus.numbers_of("de"), corpus.texts["de"], strict=True))
    assert by_number[7] == LINES["de"][7]
    assert corpus.repeats == {2: frozenset({1})}


def test_nested_and_compressed_files_are_read(tmp_path: Path) -> None:
    plain = read_corpus(_folder(tmp_path / "plain", LINES))
    folder = tmp_path / "nested"
    for name in ("de/b", "en", ".cache/fr"):
        (folder / name).mkdir(parents=True)
    (folder / "de" / "a.txt").write_text("\n".join(LINES["de"][:50]))
    (folder / "de" / "b" / "c.txt").write_text("\n".join(LINES["de"][50:]))
    (folder / ".cache" / "fr" / "x.txt").write_text("hidden")
    (folder / "en" / "a.txt.gz").write_bytes(gzip.compress("\n".join(LINES["en"]).encode()))
    (folder / "zh-hans.txt.gz").write_bytes(gzip.compress("\n".join(LINES["zh-Hans"]).encode()))
    nested = read_corpus(str(folder))
    assert nested.texts == plain.texts
    assert nested.numbers == plain.numbers
    (folder / "zh-hans.txt.gz").write_bytes(b"no gzip")
    with pytest.raises(CorpusError, match=r"cannot read .*zh-hans\.txt\.gz"):
        read_corpus(str(folder))


def test_a_limit_keeps_the_first_and_stops_reading(tmp_path: Path) -> None:
    _folder(tmp_path, LINES)
    # Past the limit the file may be anything.
    with (tmp_path / "de.txt").open("ab") as file:
        file.write(b"\n\xff\xff\n")
    corpus = read_corpus(str(tmp_path), limit=30)
    assert {tag: len(texts) for tag, texts in corpus.texts.items()} == dict.fromkeys(LINES, 30)
    assert corpus.texts["de"] == tuple(LINES["de"][:30])
    with pytest.raises(CorpusError, match="a limit of 19 sentences is below the 20"):
        read_corpus(str(tmp_path), limit=19)


def test_rows_are_read_only_until_every_language_has_enough(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    rows = [{"lang": tag, "text": LINES[tag][i]} for i in range(25) for tag in LINES]
    file.write_text("\n".join(map(json.dumps, rows)) + "\nnot json")
    assert len(read_corpus(str(file), ["en", "de"], limit=25).texts["de"]) == 25
    with pytest.raises(CorpusError, match="is not JSON"):
        read_corpus(str(file), limit=25)  # more languages may come
    (tmp_path / "a.jsonl.gz").write_bytes(gzip.compress(file.read_bytes()))
    zipped = read_corpus(str(tmp_path / "a.jsonl.gz"), ["en", "de"], limit=25)
    assert zipped.digest == read_corpus(str(file), ["en", "de"], limit=25).digest


def test_a_column_a_language(tmp_path: Path) -> None:
    file = tmp_path / "wide.jsonl"
    rows: list[dict[str, str | int | None]] = [
        {"id": i, "text_deu": LINES["de"][i], "text_eng": LINES["en"][i]} for i in range(40)
    ]
    rows[3]["text_deu"] = None
    file.write_text("\n".join(map(json.dumps, rows)))
    corpus = read_corpus(str(file), columns={"de": "text_deu", "en": "text_eng"})
    assert corpus.texts["en"] == tuple(LINES["en"][:40])
    assert corpus.numbers_of("de") == (0, 1, 2, *range(4, 40))
    with pytest.raises(CorpusError, match=r"wide\.jsonl:1: no text column 'fra'; .*text_deu"):
        read_corpus(str(file), columns={"fr": "fra", "en": "text_eng"})
    with pytest.raises(CorpusError, match=r"columns: .*BCP 47"):
        read_corpus(str(file), columns={"no such tag": "text_deu"})
    with pytest.raises(CorpusError, match=r'wide\.jsonl:1: expected {"language".*id, text_deu'):
        read_corpus(str(file))


def test_line_breaks_in_a_row_make_sentences_of_one_number(tmp_path: Path) -> None:
    file = tmp_path / "a.jsonl"
    rows = [{"lang": t, "text": f"{x}\n\nagain {x}"} for t in ("de", "en") for x in LINES[t]]
    file.write_text("\n".join(map(json.dumps, rows)))
    corpus = read_corpus(str(file))
    assert corpus.texts["de"][:2] == ("de sentence 0", "again de sentence 0")
    assert corpus.numbers_of("de")[:4] == (0, 0, 1, 1)


def test_text_files_have_no_columns() -> None:
    with pytest.raises(CorpusError, match="folder of text files, which have no columns"):
        read_corpus("starter", columns={"de": "a", "en": "b"})
