import numpy as np
import pytest

from steering.batch import Batch
from steering.capacity import Capacity
from steering.errors import EngineError
from steering.request import SteeringRequest
from steering.tables import Tables
from steering.tokens import Tokens


@pytest.fixture
def batch(make_edit, make_profile) -> Batch:
    capacity = Capacity(
        columns=(16, 16, 16), memories=16, keys=True, hidden_size=4, intermediate_size=32
    )
    made = Batch(Tables(capacity, layers=[0, 1, 2], shard=(0, 32), rows=3), Tokens(16))
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
