from __future__ import annotations

import pytest
from httpx import URL

from profiles.errors import SharingError
from profiles.sharing.fetcher import Fetcher
from profiles.sharing.redirect import check_redirect, same_origin
from tests.profiles.sharing.web_server import Answer, WebServer


@pytest.mark.parametrize(
    ("at", "target", "words"),
    [
        ("https://a.org/x", "http://a.org/x", "only https"),
        ("https://a.org/x", "ftp://a.org/x", "only https"),
        ("https://a.org/x", "file:///etc/passwd", "only https"),
        ("https://a.org/x", "http://127.0.0.1/x", "this machine"),
        ("https://a.org/x", "https://localhost/x", "this machine"),
        ("https://a.org/x", "https://b.org/login", r"another host.*--allow-host b\.org"),
        ("https://a.org/x", "https://me:pw@a.org/x", "name or password"),
        ("http://127.0.0.1:1/x", "http://127.0.0.1:2/x", "another host"),
    ],
)
def test_refused(at: str, target: str, words: str) -> None:
    with pytest.raises(SharingError, match=words) as error:
        check_redirect(URL(at), URL(target), (), anywhere=False)
    assert "pw" not in str(error.value)


def test_followed() -> None:
    a, b = URL("https://a.org/x"), URL("https://b.org/y")
    check_redirect(a, URL("https://a.org/y"), (), anywhere=False)
    check_redirect(a, b, ("b.org",), anywhere=False)
    check_redirect(a, b, (), anywhere=True)
    with pytest.raises(SharingError):
        check_redirect(a, URL("http://b.org/y"), ("b.org",), anywhere=True)
    assert not same_origin(a, b)
    assert not same_origin(a, URL("https://a.org:8443/x"))


def test_secrets_stay_with_their_host(web: WebServer) -> None:
    web.files["/a"] = Answer(status=302, headers={"Location": f"http://localhost:{web.port}/b"})
    web.files["/b"] = b"data"
    secret = {"Authorization": "Bearer s"}
    with (
        Fetcher([f"localhost:{web.port}"]) as fetcher,
        fetcher.get(f"{web.url}/a", secret=secret) as answer,
    ):
        assert answer.read() == b"data"
    assert [asked.headers.get("authorization") for asked in web.asked] == ["Bearer s", None]


def test_a_circle(web: WebServer) -> None:
    web.files["/a"] = Answer(status=302, headers={"Location": "/a"})
    with (
        Fetcher() as fetcher,
        pytest.raises(SharingError, match="redirects over 5 times"),
        fetcher.get(f"{web.url}/a"),
    ):
        pass
    assert len(web.asked) == 6
