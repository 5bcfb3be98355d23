from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from server.catalog import Catalog
from server.languages import LanguageTag


@pytest.mark.parametrize(
    ("wish", "name"),
    [
        ("de", "de"),
        ("DE", "de"),
        ("de-AT", "de"),
        ("de_CH_1996", "de"),
        ("de-Latn", "de"),
        ("de-x-formal", "de-x-formal"),
        ("pt-BR", "pt"),
        ("zh-Hans-CN", "zh"),
        ("zh_cn", "zh"),
        ("cmn", "zh"),
        ("zh-cmn-Hans", "zh"),
    ],
)
def test_the_nearest_profile_is_found(catalog: Catalog, wish: str, name: str) -> None:
    found = catalog.nearest(LanguageTag.parse(wish), "target")
    assert found is not None
    assert found.name == name


@pytest.mark.parametrize(
    "wish", ["da", "gsw", "zh-TW", "zh-Hant", "yue", "zh-yue", "nl", "zh-Latn"]
)
def test_a_near_language_is_not_the_language(catalog: Catalog, wish: str) -> None:
    assert catalog.nearest(LanguageTag.parse(wish), "target") is None


@pytest.mark.parametrize(
    "text",
    [
        "",
        "German",
        "deutsch",
        "und",
        "mul",
        "*",
        "de,en",
        " de",
        "de ",
        "d",
        "x-foo",
        "de--x",
        "dé",
        "de\n",
        "de-" + "a" * 40,
        "\x00",
        "ｄｅ",
    ],
)
def test_what_is_no_tag_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="language"):
        LanguageTag.parse(text)


@given(st.text(max_size=50))
def test_parsing_raises_value_errors_only(text: str) -> None:
    with contextlib.suppress(ValueError):
        LanguageTag.parse(text)


def test_a_profile_with_the_edit_goes_before_a_nearer_one(make_entry: object) -> None:
    assert callable(make_entry)
    catalog = Catalog([make_entry("pt-BR", "target"), make_entry("pt-PT", "target suppress")])
    tag = LanguageTag.parse("pt-BR")
    assert (target := catalog.nearest(tag, "target"))
    assert target.name == "pt-BR"
    assert (away := catalog.nearest(tag, "suppress"))
    assert away.name == "pt-PT"
