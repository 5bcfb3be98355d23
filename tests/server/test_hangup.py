from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from server.hangup import Hangup
from server.yamlfile.in_force import FileInForce, read_file
from server.yamlfile.problem import FileError, Problem
from tests.server.conftest import put


class Word(FileInForce[str]):
    kind = "word"

    def report(self) -> None:
        pass

    def _read(self) -> str:
        return read_file(self.path, self._word)

    @staticmethod
    def _word(data: bytes) -> str:
        text = data.decode()
        if text == "bad":
            raise FileError([Problem(place="", line=1, text="a bad word")])
        return text


@pytest.fixture
def words(tmp_path: Path) -> tuple[Word, Word]:
    for name in ("a", "b"):
        (tmp_path / name).write_text("old")
    return Word(tmp_path / "a", lambda _: None), Word(tmp_path / "b", lambda _: None)


@pytest.fixture
def no_handler_after() -> Iterator[None]:
    before = signal.getsignal(signal.SIGHUP)
    yield
    signal.signal(signal.SIGHUP, before)


async def until(holds: Callable[[], bool]) -> None:
    for _ in range(500):
        if holds():
            return
        await asyncio.sleep(0.01)
    raise AssertionError("it did not come to that within 5 seconds")


@pytest.mark.usefixtures("no_handler_after")
async def test_one_signal_reads_every_file_and_a_bad_one_holds_up_no_other(
    words: tuple[Word, Word],
) -> None:
    first, second = words
    Hangup(words).listen()
    try:
        for one, other in (("1", "2"), ("bad", "3"), ("4", "bad")):
            expected = [
                one if one != "bad" else first.current,
                other if other != "bad" else second.current,
            ]
            put(first.path, one)
            put(second.path, other)
            os.kill(os.getpid(), signal.SIGHUP)
            await until(lambda: [first.current, second.current] == expected)  # noqa: B023
    finally:
        asyncio.get_running_loop().remove_signal_handler(signal.SIGHUP)


async def test_where_no_handler_can_be_set_the_server_runs_on(
    words: tuple[Word, Word], caplog: pytest.LogCaptureFixture
) -> None:
    async def elsewhere() -> None:
        Hangup(words).listen()

    await asyncio.to_thread(asyncio.run, elsewhere())
    assert "SIGHUP will not reload the word and the word" in caplog.text
