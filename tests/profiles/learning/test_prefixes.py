"""The contexts offsets are learned in."""

from __future__ import annotations

import random
import re
from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from profiles.learning.prefixes import (
    SHARES,
    TURN_SHARE,
    Example,
    Lines,
    Role,
    Written,
    cut,
    join,
    sample,
    spaced,
)
from profiles.models.chat import chat_turn

LINES = 40


def corpus() -> Lines:
    return {
        "en": [f"The {n} old green doors were open all night." for n in range(LINES)],
        "de": [f"Die {n} alten Türen standen nachts immer offen." for n in range(LINES)],
        "ja": [f"{n}枚の古い緑の扉は一晩中開いていた。" for n in range(LINES)],
    }


def language_of(text: str) -> str:
    if any("ぁ" <= c <= "鿿" for c in text):
        return "ja"
    german = any(w in text for w in ("Die", "alten", "Türen", "standen", "nachts", "immer"))
    return "de" if german else "en"


@pytest.mark.parametrize("role", ["target", "suppress"])
def test_kinds_come_in_their_shares(role: Role) -> None:
    kinds = Counter(e.kind for e in sample(corpus(), "de", role, 200, random.Random(0)))
    for kind, share in SHARES[role].items():
        assert kinds[kind] == pytest.approx(200 * share, abs=1)


def test_target_text_follows_foreign_contexts() -> None:
    examples = sample(corpus(), "ja", "target", 200, random.Random(0))
    for e in examples:
        assert language_of(e.text) == "ja"
        assert (e.prefix == "") == (e.kind == "nothing")
        if len(e.prefix) > 8:  # a shorter cut says too little
            assert (language_of(e.prefix) == "ja") == (e.kind == "same")


@pytest.mark.parametrize("role", ["target", "suppress"])
def test_text_that_goes_on_is_whole_lines_of_one_language_in_a_row(role: Role) -> None:
    lines = corpus()
    same = [e for e in sample(lines, "de", role, 400, random.Random(0)) if e.kind == "same"]
    flowing = [join(lines["de"])] if role == "target" else [join(lines["en"]), join(lines["ja"])]
    for e in same:
        assert any(e.prefix + e.text in text for text in flowing)
        assert any(text.endswith(e.text) or e.text[-1] in ".。" for text in flowing)
    # Deep in a text as well as near its beginning; from nothing only where others are kept.
    assert max(e.prefix.count(".") + e.prefix.count("。") for e in same) >= 3
    assert any(not e.prefix for e in same) == (role == "suppress")


def test_text_that_goes_on_needs_no_more_than_a_line() -> None:
    lines = {"de": ["Die alten Türen standen offen."], "en": ["The old doors were open."]}
    for e in sample(lines, "de", "target", 40, random.Random(0)):
        assert e.text.strip()


def test_text_that_goes_on_is_the_models_own_where_there_is_any() -> None:
    own = [
        Written("Nachts standen alte Türen offen.", " Ein eigener Satz geht noch weiter"),
        Written("Die Türen.", " Und noch ein Satz, der lange nicht enden will"),
    ]
    given = {"de": own, "en": [Written("Not wanted.", " It is not of this language.")]}
    examples = sample(corpus(), "de", "target", 400, random.Random(0), own=given)
    same = [e for e in examples if e.kind == "same"]
    assert {e.prefix + e.text for e in same} == {w.prompt + w.text for w in own}
    assert all(e.prefix.startswith(tuple(w.prompt for w in own)) and e.text for e in same)
    assert len({e.prefix for e in same}) > 5  # cut anywhere


def test_suppression_keeps_the_models_own_text_of_the_languages_that_have_any() -> None:
    own = {"en": [Written("The old doors.", " And one more sentence that goes on")]}
    examples = sample(corpus(), "de", "suppress", 400, random.Random(0), own=own)
    same = [e for e in examples if e.kind == "same" and e.prefix]
    mine = [e for e in same if e.prefix.startswith("The old doors. And")]
    lines = [e for e in same if e not in mine]
    assert 0.3 < len(mine) / len(same) < 0.7
    assert {language_of(e.text) for e in lines} == {"ja"}
    assert any(e.kind == "same" and not e.prefix for e in examples)


def test_suppressing_leaves_the_language_and_keeps_the_others() -> None:
    for e in sample(corpus(), "ja", "suppress", 200, random.Random(0)):
        assert language_of(e.text) != "ja"
        if e.kind in ("sentence", "paragraph"):
            assert language_of(e.prefix) == "ja"
        if e.kind == "same":
            assert language_of(e.prefix) != "ja"


def test_the_context_is_not_the_translation_of_the_text() -> None:
    def number(text: str) -> str:
        return "".join(c for c in text if c.isdigit())

    for e in sample(corpus(), "de", "target", 300, random.Random(0)):
        if e.kind in ("sentence", "paragraph"):
            said = {number(line) for line in re.split("[.。]", e.prefix)} - {""}
            assert said.isdisjoint(number(line) for line in e.text.split("."))


def test_paragraphs_end_in_a_blank_line_and_hold_several_sentences() -> None:
    paragraphs = [
        e for e in sample(corpus(), "de", "target", 100, random.Random(0)) if e.kind == "paragraph"
    ]
    assert paragraphs
    assert all(e.prefix.endswith("\n\n") for e in paragraphs)
    assert any(e.prefix.count(".") + e.prefix.count("。") > 2 for e in paragraphs)


def test_cuts_go_on_with_a_blank_only_where_blanks_are_written() -> None:
    def cuts(language: str) -> list[Example]:
        examples = sample(corpus(), language, "target", 100, random.Random(0))
        return [e for e in examples if e.kind == "cut"]

    assert all(e.text.startswith(" ") and e.text[1] != " " for e in cuts("de"))
    assert not any(e.text.startswith(" ") for e in cuts("ja"))


def test_the_seed_decides() -> None:
    one, two, other = (sample(corpus(), "de", "target", 20, random.Random(s)) for s in (1, 1, 2))
    assert one == two != other


def test_cut_loses_nothing() -> None:
    rng = random.Random(0)
    for line in ("Open the old door, please.", "古い扉を開けてください。", "Halt", "扉"):
        head, tail = cut(line, rng)
        assert head + tail == line
        assert head


def test_spaced() -> None:
    assert spaced("We are washing the curtains today.")
    assert spaced("Halt!")
    assert not spaced("奶奶把她的旧信都收在床边的抽屉里。")


def test_a_chat_template_adds_foreign_turns_with_and_without_a_system_prompt() -> None:
    def turn(user: str, system: str | None) -> str:
        return f"<{system or ''}|{user}>"

    examples = sample(corpus(), "ja", "target", 200, random.Random(0), turn)
    turns = [e for e in examples if e.kind == "turn"]
    assert len(turns) == pytest.approx(200 * TURN_SHARE, abs=1)
    assert sum(e.prefix.startswith("<|") for e in turns) == pytest.approx(25, abs=10)
    for e in turns:
        assert language_of(e.text) == "ja"
        assert language_of(e.prefix.partition("|")[2]) != "ja"
    spoken = sample(corpus(), "de", "target", 200, random.Random(0), turn)
    assert all(e.text.startswith(" ") for e in spoken if e.kind == "turn")


def test_templates() -> None:
    class Tokenizer:
        chat_template = "some"
        bos_token, bos_token_id = "<s>", 1

        def __call__(self, text: str) -> SimpleNamespace:
            return SimpleNamespace(input_ids=[1, 5])

        def apply_chat_template(self, messages: Any, **_: Any) -> str:
            if messages[0]["role"] == "system":
                raise ValueError("System role not supported")
            return "<s>" + "".join(f"{m['role']}: {m['content']}\n" for m in messages)

    turn = chat_turn(Tokenizer())
    assert turn is not None
    assert turn("Hi", None) == "user: Hi\n"
    assert turn("Hi", "Be nice") == "user: Be nice\n\nHi\n"
    assert chat_turn(object()) is None
