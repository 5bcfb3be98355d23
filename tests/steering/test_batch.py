import numpy as np
import pytest
import torch

from steering.batch import Batch
from steering.capacity import Capacity
from steering.errors import EngineError
from steering.markers import Markers
from steering.parts import Parts
from steering.request import SteeringRequest
from steering.tables import Tables
from steering.tokens import Tokens

START, END, WORD = 1, 2, 9
CAPACITY = Capacity(
    columns=(16, 16, 16), memories=16, keys=True, hidden_size=4, intermediate_size=32
)


@pytest.fixture
def batch(make_edit, make_profile) -> Batch:
    return make(make_edit, make_profile)


@pytest.fixture
def parted(make_edit, make_profile) -> Batch:
    """One that tells reasoning from answers, for two requests at once."""
    return make(make_edit, make_profile, 5, Parts(Markers(start=START, end=END), 2))


def make(make_edit, make_profile, rows: int = 3, parts: Parts | None = None) -> Batch:
    tables = Tables(CAPACITY, layers=[0, 1, 2], shard=(0, 32), rows=rows)
    made = Batch(tables, Tokens(16), parts)
    for i, language in enumerate(("de", "ja", "zh")):
        made.tables.load(make_profile(language, make_edit({(0, i): (1.0, 0.0)})))
    return made


def args(batch: Batch, which: int, **kwargs) -> dict:
    return SteeringRequest(target=batch.tables.profiles[which], **kwargs).to_extra_args()


def fill(batch: Batch, ids, scheduled) -> list[int]:
    zeros = np.zeros(len(ids), np.int32)
    batch.fill(ids, np.array(scheduled, np.int32), zeros, zeros)
    return batch.tokens.row[: sum(scheduled)].tolist()


def test_a_mixed_batch_in_the_runners_order(batch: Batch) -> None:
    batch.update([], {"a": args(batch, 0), "b": None, "c": args(batch, 1)})
    rows = fill(batch, ["c", "b", "a"], [1, 2, 1])
    assert rows[1:3] == [0, 0]
    assert len({rows[0], rows[3], 0}) == 3


def test_finished_and_preempted_requests_give_rows_back(batch: Batch) -> None:
    batch.update([], {"a": args(batch, 0), "b": args(batch, 1)})
    batch.update(["a"], {"b": args(batch, 1)})
    assert batch.slots.in_use == 1
    batch.update([], {})  # preempted: out of the batch, not finished
    assert batch.slots.in_use == 0
    batch.update([], {"b": args(batch, 1)})  # resumed
    assert batch.slots.in_use == 1


def test_a_full_batch_may_be_replaced_in_one_step(batch: Batch) -> None:
    batch.update([], {"a": args(batch, 0), "b": args(batch, 1)})
    batch.update(["a"], {"b": args(batch, 1), "c": args(batch, 2)})
    assert batch.slots.in_use == 2


def test_an_id_may_end_and_come_back_as_another_request(batch: Batch) -> None:
    batch.update([], {"a": args(batch, 0)})
    first = batch.slots.row("a")
    batch.update(["a"], {"a": args(batch, 1)})
    assert batch.slots.row("a") != first
    batch.update(["a"], {"a": None})
    assert fill(batch, ["a"], [2]) == [0, 0]
    assert batch.slots.in_use == 0


def test_a_runner_may_tell_comings_and_goings(batch: Batch) -> None:
    """As V2 does: an end is told before every start, with ids that were never there."""
    batch.remove("a")
    batch.add("a", args(batch, 0))
    batch.add("b", None)
    assert "a" in batch
    assert fill(batch, ["b", "a"], [1, 1]) == [0, batch.slots.row("a")]
    batch.remove("a")  # preempted
    assert "a" not in batch
    assert batch.slots.in_use == 0
    batch.add("a", args(batch, 0))
    assert fill(batch, ["a"], [1]) == [batch.slots.row("a")]


def test_a_step_of_requests_that_never_joined_is_refused(batch: Batch) -> None:
    batch.add("a", args(batch, 0))
    with pytest.raises(EngineError, match=r"never joined.*'b'"):
        fill(batch, ["a", "b"], [1, 1])


def test_a_request_for_a_missing_profile_is_never_run_unsteered(batch: Batch) -> None:
    with pytest.raises(EngineError, match="not loaded"):
        batch.update([], {"a": SteeringRequest(target="f" * 64).to_extra_args()})
    with pytest.raises(ValueError, match="strength"):
        batch.update([], {"a": {"langsteer_target": "x", "langsteer_strength": -1.0}})


def run(batch: Batch, *steps: tuple[str, int, list[int]], prompt: int = 2) -> list[list[int]]:
    """Rows of each step's tokens; a step is who, how much is computed, and its tokens."""
    found = []
    for name, computed, ids in steps:
        scheduled, at, length = (np.array([n], np.int32) for n in (len(ids), computed, prompt))
        batch.fill([name], scheduled, at, length, torch.tensor(ids))
        found.append(batch.tokens.row[: len(ids)].tolist())
    return found


THOUGHT = (("a", 0, [WORD, WORD]), ("a", 2, [START]), ("a", 3, [WORD]), ("a", 4, [END]))


def test_a_request_that_steers_its_reasoning_apart_holds_two_rows(parted: Batch) -> None:
    ja = SteeringRequest(target=parted.tables.profiles[1], phase="decode", strength=0.5)
    parted.add("a", args(parted, 0, phase="decode", reasoning=ja), lambda: ([WORD, WORD], []))
    assert parted.slots.in_use == 2
    answer = parted.slots.row("a")
    (reasoning,) = {1, 2, 3, 4} & set(run(parted, *THOUGHT[:1])[0])
    assert reasoning not in (0, answer)
    assert parted.tokens.strength.tolist()[:2] == [0.0, 0.5]
    assert run(parted, *THOUGHT[1:]) == [[reasoning], [reasoning], [answer]]
    assert parted.edited == 4
    parted.remove("a")
    assert parted.slots.in_use == 0
    with pytest.raises(EngineError, match="never joined"):
        run(parted, THOUGHT[0])


def test_reasoning_that_is_off_and_reasoning_alone(parted: Batch) -> None:
    for name, wish in (
        ("off", args(parted, 0, phase="decode", reasoning="off")),
        (
            "alone",
            SteeringRequest(
                phase="decode",
                reasoning=SteeringRequest(target=parted.tables.profiles[0], phase="decode"),
            ).to_extra_args(),
        ),
    ):
        parted.add("a", wish, lambda: ([WORD, WORD], []))
        assert parted.slots.in_use == 1
        on = [any(rows) for rows in run(parted, *THOUGHT)]
        assert on == ([False, False, False, True] if name == "off" else [True, True, True, False])
        parted.remove("a")
    assert parted.slots.in_use == 0


def test_beside_others_and_after_them_no_row_is_left(parted: Batch) -> None:
    parted.add("a", args(parted, 0, phase="decode", reasoning="off"), lambda: ([WORD], []))
    parted.add("b", args(parted, 1))
    lengths = np.array([1, 3], np.int32)
    parted.fill(["a", "b"], lengths, lengths - lengths, lengths, torch.tensor([WORD] * 4))
    assert parted.tokens.row.tolist()[:5] == [0, *[parted.slots.row("b")] * 3, 0]
    assert run(parted, ("a", 1, [WORD]), prompt=1) == [[parted.slots.row("a")]]
    assert parted.tokens.active
    parted.remove("a")
    parted.remove("b")
    parted.add("c", None)
    assert run(parted, ("c", 0, [WORD])) == [[0]]
    assert not parted.tokens.row.any()
    assert not parted.tokens.active


def test_what_cannot_be_told_is_never_run_unsteered(batch: Batch, parted: Batch) -> None:
    off = args(batch, 0, phase="decode", reasoning="off")
    with pytest.raises(EngineError, match="nothing in this engine tells reasoning"):
        batch.add("a", off, lambda: ([WORD], []))
    with pytest.raises(EngineError, match="does not tell a request's tokens"):
        parted.add("a", off)
    missing = SteeringRequest(target="f" * 64, phase="decode")
    with pytest.raises(EngineError, match="not loaded"):
        parted.add("a", args(parted, 0, phase="decode", reasoning=missing), lambda: ([WORD], []))
    assert (batch.slots.in_use, parted.slots.in_use) == (0, 0)
    parted.add("a", off, lambda: ([WORD], []))
    with pytest.raises(EngineError, match="does not say which tokens"):
        fill(parted, ["a"], [1])
