from __future__ import annotations

import subprocess
import sys
import threading
from functools import partial

import pytest

from server.worker import Worker


def test_jobs_are_done_in_order_and_off_this_thread() -> None:
    worker, done = Worker(), []
    for number in range(50):
        assert worker.put(lambda n=number: done.append((n, threading.current_thread().name)), 1)
    assert worker.settle(10)
    assert done == [(n, "langsteer-monitor") for n in range(50)]


def test_no_more_waits_than_there_is_room_for() -> None:
    worker, go = Worker(limit=4096), threading.Event()
    wait = partial(go.wait, 10)
    assert worker.put(wait, 1000)
    assert worker.put(wait, 1000)
    assert not worker.put(wait, 1000)
    assert not worker.settle(0.01)
    go.set()
    assert worker.settle(10)
    assert worker.put(wait, 3000)
    assert not worker.put(wait, 4000)


def test_a_job_that_fails_ends_nothing_and_its_text_is_not_logged(
    caplog: pytest.LogCaptureFixture,
) -> None:
    worker, done = Worker(), []

    def fail() -> None:
        raise ValueError("secret text")

    worker.put(fail, 1)
    worker.put(lambda: done.append(1), 1)
    assert worker.settle(10)
    assert done == [1]
    assert "ValueError" in caplog.text
    assert "secret" not in caplog.text


def test_what_is_in_line_when_the_process_ends_is_done() -> None:
    program = """
import time
from server.worker import Worker
worker = Worker()
for n in range(3):
    worker.put(lambda n=n: (time.sleep(0.1), print(n, flush=True)), 1)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=True
    )
    assert done.stdout.split() == ["0", "1", "2"]
