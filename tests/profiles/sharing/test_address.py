from __future__ import annotations

from pathlib import Path

import pytest

from profiles.errors import SharingError
from profiles.sharing.address import FolderAddress, HubAddress, WebAddress, parse_address


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("out/profiles", FolderAddress(path=Path("out/profiles"))),
        ("hf://me/mine", HubAddress(repo="me/mine")),
        ("hf://me/mine@v1.0", HubAddress(repo="me/mine", revision="v1.0")),
        (
            "hf://me/mine@refs%2Fpr%2F1/a/de.safetensors",
            HubAddress(repo="me/mine", revision="refs/pr/1", path="a/de.safetensors"),
        ),
        ("https://x.org/p/", WebAddress(url="https://x.org/p/")),
        ("http://127.0.0.1:8000/p/", WebAddress(url="http://127.0.0.1:8000/p/")),
        ("http://[::1]/p/", WebAddress(url="http://[::1]/p/")),
        (
            f"https://x.org/de.safetensors#sha256={'AB' * 32}",
            WebAddress(url="https://x.org/de.safetensors", sha256="ab" * 32),
        ),
    ],
)
def test_forms(text: str, found: object) -> None:
    assert parse_address(text) == found


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("~nobody-of-that-name/p", "home directory"),
        ("hf://me", "no model repository"),
        ("hf://datasets/me/mine", "no model repository"),
        ("hf://../mine", "no model repository"),
        ("hf://me/mine/../../x", "outside its folder"),
        ("http://example.org/p/", "use https"),
        ("http://127.0.0.1.example.org/p/", "use https"),
        ("ftp://example.org/p/", "ftp:// is not supported"),
        ("file:///etc/passwd", "file:// is not supported"),
        ("https://me:secret@example.org/p/", "ends up in logs"),
        ("https:///p/", "names no host"),
        ("https://x.org:99999/", "no address"),
        ("https://x.org/de.safetensors#md5=00", "sha256="),
        ("https://x.org/de.safetensors#sha256=00", "64 hexadecimal"),
    ],
)
def test_what_is_no_address(text: str, words: str) -> None:
    with pytest.raises(SharingError, match=words) as error:
        parse_address(text)
    assert "secret" not in str(error.value)
