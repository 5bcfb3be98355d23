"""What the unedited model writes itself, on a tiny one."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from profiles.errors import CorpusError
from profiles.learning import own_text, procedure
from profiles.learning.options import Options
from profiles.learning.own_text import OwnText
from profiles.learning.prefixes import OwnTexts, Written
from profiles.learning.procedure import Procedure
from profiles.models.model import LoadedModel, load_model
from profiles.recipe import Recipe

LINES = {tag: [f"{tag} {n} abc cab" for n in range(12)] for tag in ("en", "xx", "yy")}


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> LoadedModel:
    return load_model(tiny_folder, "tiny", "fp32")


def test_a_language_has_the_same_texts_whatever_others_are_asked_for(loaded: LoadedModel) -> None:
    alone = OwnText(loaded, LINES, 0)(["xx"], 3)
    seen: list[tuple[int, int]] = []
    among = OwnText(loaded, LINES, 0)(["en", "xx"], 3, lambda done, of: seen.append((done, of)))
    assert among["xx"] == alone["xx"]
    assert among["en"] != among["xx"]
    assert OwnText(loaded, LINES, 1)(["xx"], 3) != alone
    done = [share for share, _ in seen]
    assert done == sorted(done)
    assert {of for _, of in seen} == {done[-1]}
    assert 1 <= len(alone["xx"]) <= 3
    for prompt, text in alone["xx"]:
        assert any(prompt.startswith(line) for line in LINES["xx"])
        assert text


def test_what_went_into_another_of_the_languages_is_left_out(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    written = [
        "Das Haus steht am Ufer eines kleinen Sees.",
        "The house stands on the shore of a small lake.",
        "La maison se trouve au bord d'un petit lac.",
        "Am Morgen gingen sie langsam zum Hafen \ufffd",
        "Wort",
    ]
    monkeypatch.setattr(own_text, "generate", lambda *_, **__: range(len(written)))
    tokenizer = SimpleNamespace(decode=lambda row, **_: written[row])
    model = LoadedModel(model=None, tokenizer=tokenizer, identity=loaded.identity)
    lines = dict.fromkeys(("de-AT", "en"), LINES["en"])
    # French is none of the languages: what an identifier makes of a text is no reason by itself.
    found = OwnText(model, lines, 0)(["de-AT"], 5)["de-AT"]
    assert [text for _, text in found] == [
        written[0],
        written[2],
        "Am Morgen gingen sie langsam zum Hafen ",
    ]


def test_texts_are_written_once(loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[int] = []
    generate = own_text.generate

    def counted(model: LoadedModel, prompts: list[str], **options: Any) -> list[list[int]]:
        calls.append(len(prompts))
        # One of them breaks off at once, which makes no text.
        return [[], *generate(model, prompts, **options)[1:]]

    monkeypatch.setattr(own_text, "generate", counted)
    monkeypatch.setattr(own_text, "_ROWS", 4)
    write = OwnText(loaded, LINES, 0)
    first = write(["xx"], 6)
    assert calls == [4, 2]
    assert len(first["xx"]) <= 4
    assert write(["xx"], 6) == first
    assert calls == [4, 2]
    write(["xx"], 2)
    assert calls == [4, 2, 2]


@pytest.mark.parametrize(
    ("role", "expected"), [("target", {"xx": 5}), ("suppress", {"en": 3, "yy": 3})]
)
def test_what_is_to_stay_is_the_models_own_text(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch, role: Any, expected: dict[str, int]
) -> None:
    asked: dict[str, int] = {}
    given: list[OwnTexts] = []
    learn = procedure.learn

    def write(self: OwnText, languages: list[str], count: int, progress: Any) -> OwnTexts:
        asked.update(dict.fromkeys(languages, count))
        progress(1, 1)
        return {tag: [Written(tag, f" own text {n}") for n in range(count)] for tag in languages}

    def noted(*args: Any, **options: Any) -> Any:
        given.append(options["own"])
        return learn(*args, **options)

    monkeypatch.setattr(OwnText, "__call__", write)
    monkeypatch.setattr(procedure, "learn", noted)
    options = Options(batch=4, every=2, negatives=16, rate=0.2, own_texts=5, others_texts=3)
    teach = Procedure(
        loaded=loaded,
        train=LINES,
        held=LINES,
        recipe=Recipe(steps=3, calibrate=False),
        options=options,
    )
    shares: list[float] = []
    teach("xx", role, shares.append)
    assert asked == expected
    assert [{tag: len(texts) for tag, texts in own.items()} for own in given] == [expected]
    assert shares == sorted(shares)
    assert shares[-1] == pytest.approx(1.0)
    asked.clear()
    replace(teach, options=replace(options, own_texts=0, others_texts=0))("xx", role)
    assert asked == {}
    assert given[-1] == {}
    with pytest.raises(CorpusError, match="no text in 'zz'"):
        teach("zz", role)
    assert asked == {}
