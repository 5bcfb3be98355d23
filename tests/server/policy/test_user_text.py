from __future__ import annotations

from typing import Any

import pytest

from server.policy.user_text import LONGEST, last_user_text, locale


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"prompt": "eins"}, "eins"),
        ({"prompt": ["eins", "zwei"]}, ""),
        ({"prompt": [1, 2]}, ""),
        ({"input": "eins"}, "eins"),
        ({"messages": [{"role": "user", "content": "a"}, {"role": "user", "content": "b"}]}, "b"),
        (
            {
                "messages": [
                    {"role": "user", "content": "a"},
                    {"role": "assistant", "content": "c"},
                    {"role": "user", "content": [{"type": "tool_result", "content": "x"}]},
                ]
            },
            "a",
        ),
        (
            {
                "input": [
                    {
                        "role": "user",
                        "content": [
                            {"type": "input_text", "text": "a"},
                            {"type": "input_image", "image_url": "u"},
                            {"type": "input_text", "text": "b"},
                        ],
                    },
                    {"type": "function_call_output", "output": "x"},
                ]
            },
            "a\nb",
        ),
        ({"messages": [{"role": "user", "content": None}, 5, None]}, ""),
        ({"messages": "no list"}, ""),
        ({"messages": [{"role": "system", "content": "a"}]}, ""),
        ({}, ""),
    ],
)
def test_what_the_user_wrote_last(body: dict[str, Any], expected: str) -> None:
    assert last_user_text(body).strip() == expected


def test_the_end_of_a_long_text_counts() -> None:
    text = "x" * 5000 + "the question"
    parts = [{"type": "text", "text": "y" * 700}, {"type": "text", "text": text}]
    for content in (text, parts):
        found = last_user_text({"messages": [{"role": "user", "content": content}]})
        assert len(found) == LONGEST
        assert found.strip().endswith("the question")


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        ({"metadata": {"locale": "de-AT"}}, "de-AT"),
        ({"metadata": {"locale": "de_AT.UTF-8"}, "user": "locale=fr"}, "de_AT"),
        ({"user": "id=5;locale=pt-BR;x=1"}, "pt-BR"),
        ({"user": "locale=ja"}, "ja"),
        ({"user": "mylocale=ja"}, ""),
        ({"user": 5, "metadata": "locale=ja"}, ""),
        ({"metadata": {"locale": ["de"]}}, ""),
        ({}, ""),
    ],
)
def test_the_users_locale(body: dict[str, Any], expected: str) -> None:
    assert locale(body) == expected
