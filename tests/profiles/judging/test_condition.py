from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any

import pytest

from profiles.judging.condition import (
    CONDITIONS,
    DEFAULT_CONDITIONS,
    Row,
    Scene,
    SkippedError,
    of_role,
)
from profiles.judging.text import EvaluationText

LINES = {tag: [f"{tag} has line {n} here" for n in range(9)] for tag in ("en", "de", "fr", "it")}
TEXT = EvaluationText(source="made up", lines=LINES)


def rows(name: str, count: int = 8, *, text: EvaluationText = TEXT, **more: Any) -> list[Row]:
    return CONDITIONS[name].rows(Scene(text=text, count=count, has_chat=True, **more))


def test_names() -> None:
    assert {c.away for c in CONDITIONS.values()} - {None} <= {*CONDITIONS}
    assert set(DEFAULT_CONDITIONS) < set(CONDITIONS)


@pytest.mark.parametrize(
    ("names", "towards", "away"),
    [
        (["paragraph"], ["paragraph"], ["denied-paragraph"]),
        (["denied-mid"], [], ["denied-mid"]),
        (["mid", "denied-mid", "other"], ["mid", "other"], ["denied-mid"]),
        (["translate", "bos"], ["translate", "bos"], ["bos"]),
        (
            DEFAULT_CONDITIONS,
            ["bos", "paragraph", "mid", "other"],
            ["bos", "denied-paragraph", "denied-line", "denied-mid"],
        ),
        ([], [], []),
    ],
)
def test_a_name_asks_for_its_counterpart_too(
    names: list[str], towards: list[str], away: list[str]
) -> None:
    assert of_role("target", names) == towards
    assert of_role("suppress", names) == away


def test_from_nothing() -> None:
    assert rows("bos", 3) == [Row(), Row(), Row()]


def test_paragraph_cycles() -> None:
    found = rows("paragraph", 4)
    assert found[0].prompt == "en has line 0 here en has line 1 here en has line 2 here\n\n"
    assert found[3] == found[0]
    assert {row.source for row in found} == {"en"}


def test_mid_ends_in_a_word() -> None:
    assert [row.prompt for row in rows("mid", 2)] == ["en has", "en has"]


@pytest.mark.parametrize("target", ["de", "fr", "it"])
def test_other_leaves_enough_for_every_target(target: str) -> None:
    found = Counter(row.source for row in rows("other", 20))
    assert set(found) == {"de", "fr", "it"}
    assert found.total() - found[target] >= 20
    assert max(found.values()) - min(found.values()) <= 1


def test_other_needs_others() -> None:
    text = EvaluationText(source="small", lines={"en": LINES["en"], "de": LINES["de"]})
    with pytest.raises(SkippedError, match="fewer than two languages beside English"):
        rows("other", text=text)


def test_chat_with_and_without_system() -> None:
    found = rows("chat", 32)
    roles = Counter(tuple(role for role, _ in row.messages) for row in found)
    assert roles == {("user",): 16, ("system", "user"): 16}
    assert len({row.messages[-1] for row in found[:16]}) == 16
    with pytest.raises(SkippedError, match="no chat template"):
        CONDITIONS["chat"].rows(Scene(text=TEXT, count=1, has_chat=False))


def test_translate_names_no_language_and_knows_its_line() -> None:
    found = rows("translate", 100)
    assert [row.line for row in found] == list(range(9))
    assert '"en has line 8 here"' in found[8].prompt
    assert "German" not in found[8].prompt
    assert found[0].cut('Hallo Welt" and more') == "Hallo Welt"


def test_facts_hold_their_answers() -> None:
    for row in rows("answer", 100):
        assert row.answer
        assert row.answer in row.prompt.replace(",", "")


def test_denied_conditions_speak_the_denied_language() -> None:
    for name in ("denied-paragraph", "denied-line", "denied-mid"):
        assert CONDITIONS[name].suppressing
        assert all(row.prompt.startswith("de ") for row in rows(name, denied="de"))
        with pytest.raises(SkippedError, match="no text in ko"):
            rows(name, denied="ko")
    assert rows("denied-line", denied="de")[0].prompt.endswith("here\n")


def test_instructions_go_before_text_and_into_the_last_turn() -> None:
    assert Row(prompt="So").instructed("Answer in German.").prompt == "Answer in German.\n\nSo"
    chat = Row(messages=(("system", "Be kind."), ("user", "Why?"))).instructed("Auf Deutsch.")
    assert chat.messages == (("system", "Be kind."), ("user", "Why?\nAuf Deutsch."))


def test_chat_text_does_not_double_bos() -> None:
    def tokenizer(adds: bool) -> Any:
        class Fake:
            bos_token, bos_token_id = "<s>", 1

            def __call__(self, _text: str) -> SimpleNamespace:
                return SimpleNamespace(input_ids=[1, 9] if adds else [9])

            def apply_chat_template(self, messages: Any, **_more: Any) -> str:
                return "<s>Q: " + messages[-1]["content"]

        return Fake()

    row = Row(messages=(("user", "Why?"),))
    assert row.text(tokenizer(adds=True)) == "Q: Why?"
    assert row.text(tokenizer(adds=False)) == "<s>Q: Why?"


def test_cut_at_the_first_stop() -> None:
    row = Row(stop=("\n", "."))
    assert row.cut("one. two\nthree") == "one"
    assert row.cut("one") == "one"
