"""What the unedited model writes itself, on a tiny one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from profiles.errors import CorpusError
from profiles.learning import own_text as module
from profiles.learning import procedure
from profiles.learning.options import Options
from profiles.learning.own_text import own_text
from profiles.learning.prefixes import Written
from profiles.learning.procedure import Procedure
from profiles.models.model import LoadedModel, load_model
from profiles.recipe import Recipe

LINES = {tag: [f"{tag} {n} abc cab" for n in range(12)] for tag in ("en", "xx", "yy")}


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> LoadedModel:
    return load_model(tiny_folder, "tiny", "fp32")


def test_the_seed_decides_and_every_text_follows_lines_of_the_language(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_ROWS", 4)
    monkeypatch.setattr(module, "_FEWEST", 1)
    seen: list[tuple[int, int]] = []
    found = own_text(loaded, LINES, "xx", 6, 0, lambda done, of: seen.append((done, of)))
    assert found == own_text(loaded, LINES, "xx", 6, 0)
    assert found != own_text(loaded, LINES, "xx", 6, 1)
    assert 1 <= len(found) <= 6
    for prompt, text in found:
        assert any(prompt.startswith(line) for line in LINES["xx"])
        assert text
    done = [share for share, _ in seen]
    assert done == sorted(done)
    assert {of for _, of in seen} == {done[-1]}
    assert own_text(loaded, LINES, "xx", 0, 0) == []


def test_what_went_into_another_of_the_languages_is_left_out(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = [
        " Das Haus steht am Ufer eines kleinen Sees.",
        "The house stands on the shore of a small lake.",
        "La maison se trouve au bord d'un petit lac.",
        "Am Morgen gingen sie langsam zum Hafen \ufffd",
        "Wort",
    ]

    class Tokenizer:
        """Whole texts as tokens; like some, it drops a blank at the beginning."""

        def __call__(self, _text: str) -> SimpleNamespace:
            return SimpleNamespace(input_ids=[len(written)])

        def decode(self, ids: list[int], **_: Any) -> str:
            return "".join([*written, "Prompt."][n] for n in ids).removeprefix(" ")

    monkeypatch.setattr(module, "generate", lambda *_, **__: [[n] for n in range(len(written))])
    tokenizer = Tokenizer()
    model = LoadedModel(model=None, tokenizer=tokenizer, identity=loaded.identity)
    lines = dict.fromkeys(("de-AT", "en"), LINES["en"])
    # French is none of the languages: what an identifier makes of a text is no reason by itself.
    assert own_text(model, lines, "de-AT", 5, 0) == []  # too few are left
    monkeypatch.setattr(module, "_FEWEST", 3)
    found = own_text(model, lines, "de-AT", 5, 0)
    assert [text for _, text in found] == [
        written[0],
        written[2],
        "Am Morgen gingen sie langsam zum Hafen ",
    ]


def test_targets_learn_from_it_and_suppression_does_not(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []
    given: list[Sequence[Written]] = []
    learn = procedure.learn

    def write(
        _loaded: Any, _lines: Any, language: str, count: int, _seed: int, progress: Any
    ) -> list[Written]:
        asked.append((language, count))
        progress(1, 1)
        return [Written(language, f" own text {n}") for n in range(count)]

    def noted(*args: Any, **options: Any) -> Any:
        given.append(options["own"])
        return learn(*args, **options)

    monkeypatch.setattr(procedure, "own_text", write)
    monkeypatch.setattr(procedure, "learn", noted)
    options = Options(batch=4, every=2, negatives=16, rate=0.2, own_texts=5)
    teach = Procedure(
        loaded=loaded,
        train=LINES,
        held=LINES,
        recipe=Recipe(steps=3, calibrate=False),
        options=options,
    )
    for role, texts in (("target", 5), ("suppress", 0)):
        shares: list[float] = []
        teach("xx", role, shares.append)  # type: ignore[arg-type]
        assert len(given[-1]) == texts
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(1.0)
    assert asked == [("xx", 5)]
    replace(teach, options=replace(options, own_texts=0))("xx", "target")
    assert given[-1] == []
    with pytest.raises(CorpusError, match="no text in 'zz'"):
        teach("zz", "target")
