"""Downloads from a server on this machine that misbehaves."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from profiles.errors import SharingError
from profiles.sharing.download import Request, download
from profiles.sharing.fetcher import Fetcher, MissingError
from tests.profiles.sharing.web_server import Answer, Asked, WebServer

DATA = bytes(range(256)) * 40
HALF = len(DATA) // 2


@pytest.fixture
def fetcher() -> Iterator[Fetcher]:
    with Fetcher(patience=5.0) as found:
        yield found


def get(fetcher: Fetcher, web: WebServer, part: Path, **more: object) -> bytes:
    options = {"most": len(DATA), "pause": 0.001, **more}
    download(fetcher, Request(url=f"{web.url}/f"), part, **options)  # type: ignore[arg-type]
    return part.read_bytes()


def test_whole(fetcher: Fetcher, web: WebServer, tmp_path: Path) -> None:
    web.files["/f"] = DATA
    told: list[tuple[int, int]] = []
    assert get(fetcher, web, tmp_path / "part", tell=lambda a, b: told.append((a, b))) == DATA
    assert told[-1] == (len(DATA), len(DATA))
    assert web.asked[0].headers["accept-encoding"] == "identity"


def test_what_breaks_goes_on_in_the_same_run(
    fetcher: Fetcher, web: WebServer, tmp_path: Path
) -> None:
    web.files["/f"] = Answer(DATA, cut=[100, 1000, None])
    assert get(fetcher, web, tmp_path / "part", size=len(DATA)) == DATA
    assert web.ranges("/f") == [None, "bytes=100-", "bytes=1100-"]


def test_what_an_earlier_run_left_goes_on(fetcher: Fetcher, web: WebServer, tmp_path: Path) -> None:
    part = tmp_path / "part"
    web.files["/f"] = Answer(DATA, cut=[HALF, 0, 0, 0, 0])
    with pytest.raises(SharingError, match=f"{HALF} bytes are kept, the same command goes on"):
        get(fetcher, web, part)
    web.files["/f"] = DATA
    assert get(fetcher, web, part) == DATA
    assert web.ranges("/f")[-1] == f"bytes={HALF}-"


def test_a_server_that_gives_no_parts(fetcher: Fetcher, web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(b"\0" * HALF)
    web.files["/f"] = Answer(DATA, ranged=False)
    assert get(fetcher, web, tmp_path / "part") == DATA


def test_another_part_than_was_asked_for(fetcher: Fetcher, web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(DATA[:10])

    def lie(asked: Asked) -> Answer:
        if "range" in asked.headers:
            return Answer(b"x", 206, {"Content-Range": "bytes 5-9/10"})
        return Answer(DATA)

    web.files["/f"] = lie
    assert get(fetcher, web, tmp_path / "part") == DATA


def test_a_shorter_file_than_what_is_here(fetcher: Fetcher, web: WebServer, tmp_path: Path) -> None:
    (tmp_path / "part").write_bytes(DATA)
    web.files["/f"] = DATA[:10]
    assert get(fetcher, web, tmp_path / "part") == DATA[:10]  # by way of a 416


@pytest.mark.parametrize(
    "answer",
    [
        Answer(DATA + b"x"),  # says so
        Answer(DATA + b"x", length=-1),  # does not
        Answer(DATA, length=1 << 40),  # says more than there is
    ],
)
def test_too_long(fetcher: Fetcher, web: WebServer, tmp_path: Path, answer: Answer) -> None:
    web.files["/f"] = answer
    with pytest.raises(SharingError, match=f"longer than the {len(DATA)} bytes"):
        get(fetcher, web, tmp_path / "part")
    assert not (tmp_path / "part").exists()


def test_longer_than_was_listed(fetcher: Fetcher, web: WebServer, tmp_path: Path) -> None:
    web.files["/f"] = DATA
    with pytest.raises(SharingError, match="longer than the 100 bytes"):
        get(fetcher, web, tmp_path / "part", size=100)
    with pytest.raises(SharingError, match="no profile has over"):
        get(fetcher, web, tmp_path / "part", size=len(DATA) + 1)


def test_shorter_than_was_listed(fetcher: Fetcher, web: WebServer, tmp_path: Path) -> None:
    web.files["/f"] = Answer(DATA[:100], length=-1)
    with pytest.raises(SharingError, match=r"ended after 100 of 200 bytes|416"):
        get(fetcher, web, tmp_path / "part", size=200)


def test_a_busy_server_is_asked_again(fetcher: Fetcher, web: WebServer, tmp_path: Path) -> None:
    left = [503, 429]
    web.files["/f"] = lambda _: Answer(b"", left.pop()) if left else Answer(DATA)
    assert get(fetcher, web, tmp_path / "part") == DATA
    web.files["/f"] = Answer(b"", 503)
    with pytest.raises(SharingError, match="cannot be fetched: HTTP 503"):
        get(fetcher, web, tmp_path / "part2")


def test_a_file_that_is_not_there(fetcher: Fetcher, web: WebServer, tmp_path: Path) -> None:
    with pytest.raises(MissingError, match="HTTP 404"):
        get(fetcher, web, tmp_path / "part")
    web.files["/f"] = Answer(b"", 403)
    with pytest.raises(SharingError, match="LANGSTEER_PROFILES_TOKEN"):
        get(fetcher, web, tmp_path / "part")


def test_a_page_instead_of_a_file(fetcher: Fetcher, web: WebServer, tmp_path: Path) -> None:
    web.files["/f"] = Answer(b"<html>", headers={"Content-Type": "text/html; charset=utf-8"})
    with pytest.raises(SharingError, match="a web page, not with the file"):
        get(fetcher, web, tmp_path / "part")


def test_compression_is_not_taken(fetcher: Fetcher, web: WebServer, tmp_path: Path) -> None:
    web.files["/f"] = Answer(b"\x1f\x8b", headers={"Content-Encoding": "gzip"})
    with pytest.raises(SharingError, match="Content-Encoding gzip"):
        get(fetcher, web, tmp_path / "part")


def test_a_link_in_the_place_of_a_part(fetcher: Fetcher, web: WebServer, tmp_path: Path) -> None:
    victim = tmp_path / "victim"
    victim.write_bytes(b"mine")
    (tmp_path / "part").symlink_to(victim)
    web.files["/f"] = Answer(DATA, ranged=False)
    with pytest.raises(OSError, match="symbolic links"):
        get(fetcher, web, tmp_path / "part")
    assert victim.read_bytes() == b"mine"


def test_a_server_that_keeps_us_waiting(
    fetcher: Fetcher, web: WebServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("profiles.sharing.download._SLOW_AFTER", 0.0)
    monkeypatch.setattr("profiles.sharing.download._SLOWEST", 1 << 60)
    web.files["/f"] = Answer(DATA, ranged=False)
    with pytest.raises(SharingError, match=r"bytes came in 0 seconds"):
        get(fetcher, web, tmp_path / "part")


def test_nobody_there(fetcher: Fetcher, tmp_path: Path) -> None:
    request = Request(url="http://127.0.0.1:9/f")
    with pytest.raises(SharingError, match="cannot be fetched"):
        download(fetcher, request, tmp_path / "part", most=10, pause=0.001)
