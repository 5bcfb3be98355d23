from __future__ import annotations

import pytest

from profiles.judging.content import answer_recall, translation_scores

pytest.importorskip("sacrebleu")

REFERENCES = ["Die kleine Katze schläft heute auf dem Dach.", "Niemand wusste, wohin der Zug fuhr."]


def test_translation_scores() -> None:
    same = translation_scores(REFERENCES, REFERENCES, "de")
    assert same["bleu"]["value"] == same["chrf"]["value"] == 100.0
    assert same["bleu"]["count"] == 2
    swapped = translation_scores(REFERENCES[::-1], REFERENCES, "de")
    assert swapped["bleu"]["value"] < 10
    half = translation_scores([REFERENCES[0], ""], REFERENCES, "de")
    assert 20 < half["chrf"]["value"] < 80
    assert half["chrf"]["low"] < half["chrf"]["value"] < half["chrf"]["high"]


@pytest.mark.parametrize(("language", "name"), [("zh", "zh"), ("ja", "char"), ("fr", "13a")])
def test_tokenizers(language: str, name: str) -> None:
    found = translation_scores(["猫が好き", "雨だ"], ["猫が好き", "雪だ"], language)
    assert f"tok:{name}" in found["bleu"]["signature"]


@pytest.mark.parametrize(
    ("output", "answer", "held"),
    [
        ("Die Brücke wurde 1847 gebaut.", "1847", True),
        ("橋は１８４７年に完成した", "1847", True),
        ("36 500 livres", "36500", True),
        ("36.500 Bücher", "36500", True),
        ("36,500 books", "36500", True),
        ("Es kostet 127 Kronen", "27", False),
        ("27, 500", "27", True),
        ("no number", "27", False),
    ],
)
def test_answer_recall(output: str, answer: str, held: bool) -> None:
    found = answer_recall([output], [answer])
    assert found is not None
    assert found.value == float(held)
