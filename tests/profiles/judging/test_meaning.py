from __future__ import annotations

from collections.abc import Sequence

import pytest
import torch
from torch import Tensor

from profiles.judging.meaning import Meaning

ENGLISH = [
    "The cat is asleep on the roof of the house.",
    "A ship left the harbour in the early morning.",
    "Nobody in the village had ever seen snow.",
]
GERMAN = [
    "Die Katze schläft auf dem Dach des Hauses.",
    "Ein Schiff verließ am frühen Morgen den Hafen.",
    "Niemand im Dorf hatte jemals Schnee gesehen.",
]


def embed(texts: Sequence[str]) -> Tensor:
    """Subject in the first three numbers, language in the last, which is by far the largest."""
    subjects = (("cat", "Katze"), ("ship", "Schiff"), ("snow", "Schnee"))
    rows = []
    for text in texts:
        subject = [float(any(word in text for word in words)) for words in subjects]
        rows.append([*subject, 100.0 if " the " in text else -100.0])
    return torch.tensor(rows)


@pytest.fixture
def meaning() -> Meaning:
    return Meaning(embed, {"en": ENGLISH, "de-AT": GERMAN})


def test_nearest_reference(meaning: Meaning) -> None:
    outputs = ["Eine Katze auf einem sehr hohen Dach.", "Eine schlafende Katze.", ""]
    assert meaning.hits(outputs, [0, 1, 2], "de") == [True, False, False]


def test_an_untranslated_output_is_judged_within_its_language(meaning: Meaning) -> None:
    """Else the languages' distance would outweigh any content."""
    assert meaning.hits(ENGLISH, [0, 1, 2], "de") == [True, True, True]
    assert meaning.anchor([0, 1, 2], "de") == 1.0
