"""What the unedited model writes itself, on a tiny one."""

from __future__ import annotations

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
from profiles.learning.prefixes import Own, Written
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
    seen: list[tuple[int, int]] = []
    asked = ["xx", "en"]
    found = own_text(loaded, LINES, asked, 6, 0, lambda done, of: seen.append((done, of)))
    assert found == own_text(loaded, LINES, asked, 6, 0)
    assert found != own_text(loaded, LINES, asked, 6, 1)
    assert list(found) == asked
    for name, texts in found.items():
        assert 1 <= len(texts) <= 6
        for prompt, text in texts:
            assert any(prompt.startswith(line) for line in LINES[name])
            assert text
    done = [share for share, _ in seen]
    assert done == sorted(done)
    assert {of for _, of in seen} == {done[-1]}
    assert own_text(loaded, LINES, asked, 0, 0) == {}


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
    found = own_text(model, lines, ["de-AT"], 5, 0)
    assert [text for _, text in found["de-AT"]] == [
        written[0],
        written[2],
        "Am Morgen gingen sie langsam zum Hafen ",
    ]
    written[:] = [written[1]] * 16 + [written[0]]
    assert own_text(model, lines, ["de-AT"], 17, 0) == {}  # one of them is too few


def test_memories_and_offsets_learn_from_it_and_factors_do_not(
    loaded: LoadedModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[list[str], int]] = []
    given: list[Own] = []
    learn = procedure.learn

    def write(
        _loaded: Any, _lines: Any, languages: list[str], count: int, _seed: int, progress: Any
    ) -> dict[str, list[Written]]:
        asked.append((languages, count))
        progress(1, 1)
        texts = range(count)
        return {name: [Written(name, f" own text {n}") for n in texts] for name in languages}

    def noted(*args: Any, **options: Any) -> Any:
        given.append(options["own"])
        return learn(*args, **options)

    monkeypatch.setattr(procedure, "own_text", write)
    monkeypatch.setattr(procedure, "learn", noted)
    own = {"target": 5, "suppress": 3}
    options = Options(batch=4, every=2, negatives=16, rate=0.2, own_texts=own)  # type: ignore[arg-type]
    teach = Procedure(
        loaded=loaded,
        train=LINES,
        held=LINES,
        recipe=Recipe(steps=3, calibrate=False),
        options=options,
    )
    factors = replace(teach, recipe=replace(teach.recipe, method="learned-offset"))
    for procedure_, language, role, texts in [
        (teach, "xx", "target", {"xx": 5}),
        (teach, "xx", "suppress", {"en": 3, "yy": 3}),
        (teach, "en", "suppress", {"xx": 3, "yy": 3}),
        (factors, "xx", "target", {"xx": 5}),
        (factors, "xx", "suppress", {}),
    ]:
        shares: list[float] = []
        done = procedure_(language, role, shares.append)  # type: ignore[arg-type]
        assert {name: len(found) for name, found in given[-1].items()} == texts
        assert done.account.get("own_texts", 0) == sum(texts.values())
        assert shares == sorted(shares)
        assert shares[-1] == pytest.approx(1.0)
    assert asked == [(["xx"], 5), (["en", "xx", "yy"], 3), (["xx"], 5)]  # all of them once
    replace(teach, options=replace(options, own_texts={"target": 0, "suppress": 0}))("xx", "target")
    assert not any(given[-1].values())
    with pytest.raises(CorpusError, match="no text in 'zz'"):
        teach("zz", "target")
