"""A short soak; `python -m tests.soak` is the long one, and docs/operations.md has its figures."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from tests.soak.run import Soak, soak
from tests.soak.verdict import failures

pytestmark = pytest.mark.e2e


@pytest.mark.usefixtures("demo_folder")
def test_no_answer_is_lost_wrong_or_unsteered_while_all_around_it_changes(tmp_path: Path) -> None:
    wanted = Soak(clients=16, seconds=30, tokens=8, prompts=2, pause=0.3)
    account = asyncio.run(soak(wanted, tmp_path, print))
    assert failures(account) == [], account["examples"]
    # That nothing went wrong means little unless all of it happened.
    assert account["server_starts"] == 2
    assert account["most_streams_at_once"] > 8
    assert account["by_end"]["vanished"] > 0
    assert account["by_end"]["failed in an outage, told"] > 0
    changes = account["changes"]
    for change in ("profile replaced", "profile unloaded", "policy replaced by signal"):
        assert changes.get(change, 0) > 0, changes
    kinds = account["whole_answers_by_kind"]
    assert min(kinds.values()) > 0, kinds
    assert account["added_latency"]["requests"] > 0
