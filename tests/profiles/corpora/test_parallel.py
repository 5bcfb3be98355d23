from __future__ import annotations

from pathlib import Path

import pytest

from profiles.corpora.corpus import Corpus, read_corpus
from profiles.corpora.parallel import check_alignment, parallel
from profiles.errors import CorpusError


def _write(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for tag, text in texts.items():
        (folder / f"{tag}.txt").write_text(text, encoding="utf-8")
    return folder


def test_the_starter_corpus_is_parallel() -> None:
    corpus = read_corpus("starter")
    found = parallel(corpus)
    assert {len(texts) for texts in found.texts.values()} == {260}
    assert found.warnings == ()
    check_alignment("starter")


def test_lines_that_one_language_lacks_go_in_all(tmp_path: Path) -> None:
    de = [f"Satz {n}" for n in range(30)]
    de[3], de[7] = "", "satz 2"  # blank, and a repeat
    en = [f"Sentence {n}" for n in range(30)]
    folder = _write(tmp_path / "c", de="\n".join(de), en="\n".join(en))
    corpus = read_corpus(str(folder))
    found = parallel(corpus)
    assert found.texts["en"] == tuple(en[n] for n in range(30) if n not in (3, 7))
    assert found.texts["de"][3] == "Satz 4"
    assert found.numbers["de"] == found.numbers["en"]
    assert "2 of 30 lines are not in every language: left out" in found.warnings


def test_a_number_of_several_sentences_is_left_out() -> None:
    texts = {tag: [f"{tag}{n}" for n in range(25)] for tag in ("de", "en")}
    numbers = {"de": [*range(24), 23], "en": [*range(25)]}
    found = parallel(Corpus(source="t", texts=texts, numbers=numbers))
    assert found.numbers["en"] == tuple(range(23))


def test_too_little_in_common_is_refused() -> None:
    texts = {tag: [f"{tag}{n}" for n in range(25)] for tag in ("de", "en")}
    with pytest.raises(CorpusError, match="takes at least two; there is de"):
        parallel(Corpus(source="t", texts={"de": texts["de"]}))
    apart = {"de": range(25), "en": range(20, 45)}
    with pytest.raises(CorpusError, match=r"5 lines are there in all.*de 25, en 25"):
        parallel(Corpus(source="t", texts=texts, numbers=apart))


def test_files_of_different_lengths_are_refused_by_name(tmp_path: Path) -> None:
    folder = _write(tmp_path / "c", de="a\nb\n", en="a\nb\n\n\n", ja="a\nb\nc\n")
    with pytest.raises(CorpusError, match=r"different lengths \(de 2, en 2, ja 3\). Mend ja"):
        check_alignment(str(folder))
    check_alignment(str(folder), ["de", "en"])
    check_alignment(str(tmp_path / "rows.jsonl"))
