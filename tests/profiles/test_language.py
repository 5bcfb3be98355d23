from __future__ import annotations

import pytest

from profiles.errors import CorpusError
from profiles.language import check_tag


@pytest.mark.parametrize(
    ("given", "tag"),
    [
        ("de", "de"),
        ("EN", "en"),
        ("zh_hans_cn", "zh-Hans-CN"),
        ("pt-br", "pt-BR"),
        ("es-419", "es-419"),
        ("sl-rozaj-biske", "sl-rozaj-biske"),
        ("de-x-own", "de-x-own"),
    ],
)
def test_good_tags(given: str, tag: str) -> None:
    assert check_tag(given) == tag


@pytest.mark.parametrize("given", ["", "german", "d", "de-", "de--at", "../de", "de/at", "d1"])
def test_bad_tags(given: str) -> None:
    with pytest.raises(CorpusError, match="BCP 47"):
        check_tag(given)
