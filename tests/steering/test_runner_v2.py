"""The steered model state, on a model state shaped like vLLM's. Real ones: tests/e2e."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from steering.batch import Batch
from steering.capacity import Capacity
from steering.engine import runner_v2
from steering.errors import EngineError
from steering.markers import Markers
from steering.parts import Parts
from steering.request import SteeringRequest
from steering.tables import Tables
from steering.tokens import Tokens

START, END, WORD = 1, 2, 9


class State:
    """The part of vLLM's ModelState that is overridden."""

    num_new_sampled_tokens_per_step = 1

    def __init__(self, vllm_config: Any, model: Any, encoder_cache: Any, device: Any) -> None:
        self.calls: list[str] = []

    def add_request(self, req_index: int, new_req_data: Any) -> None:
        self.calls.append(f"add {new_req_data.req_id}")

    def remove_request(self, req_id: str) -> None:
        self.calls.append(f"remove {req_id}")

    def prepare_inputs(self, input_batch: Any, req_states: Any) -> dict[str, Any]:
        return {"positions": 1}

    def prepare_dummy_inputs(self, num_reqs: int, num_tokens: int) -> dict[str, Any]:
        return {"positions": 0}


@pytest.fixture
def batch(make_edit, make_profile) -> Batch:
    capacity = Capacity(
        columns=(16, 16, 16), memories=16, keys=True, hidden_size=4, intermediate_size=32
    )
    tables = Tables(capacity, layers=[0, 1, 2], shard=(0, 32), rows=4)
    made = Batch(tables, Tokens(16), Parts(Markers(start=START, end=END), 4))
    made.tables.load(make_profile("de", make_edit({(0, 1): (1.0, 0.0)})))
    return made


@pytest.fixture
def state(batch: Batch, monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(runner_v2, "arm", lambda *_: batch)
    return runner_v2.steered(State)(None, None, None, None)


def add(
    state: Any,
    request_id: str,
    index: int,
    tokens: tuple[list[int], list[int]] = ([], []),
    **steering: Any,
) -> None:
    """`tokens` are the prompt's and the generated ones."""
    extra = SteeringRequest(**steering).to_extra_args() if steering else None
    params = SimpleNamespace(extra_args=extra)
    state.remove_request(request_id)
    state.add_request(
        index,
        SimpleNamespace(
            req_id=request_id,
            sampling_params=params,
            prompt_token_ids=tokens[0],
            prefill_token_ids=tokens[0] + tokens[1],
        ),
    )


def step(
    state: Any,
    ids: list[str],
    indices: list[int],
    scheduled: list[int],
    computed: list[int],
    prompts: list[int],
    tokens: int | None = None,
    ids_of: list[int] | None = None,
) -> list[int]:
    """Rows of the step's tokens; `prompts` are by place in vLLM's request table."""
    inputs = state.prepare_inputs(
        SimpleNamespace(
            req_ids=ids,
            idx_mapping_np=np.array(indices),
            num_scheduled_tokens=np.array(scheduled, np.int32),
            num_computed_tokens_np=np.array(computed, np.int32),
            num_tokens=sum(scheduled) if tokens is None else tokens,
            input_ids=torch.tensor(ids_of or [WORD] * sum(scheduled), dtype=torch.int32),
        ),
        SimpleNamespace(prompt_len=SimpleNamespace(np=np.array(prompts, np.int32))),
    )
    assert inputs == {"positions": 1}
    rows: list[int] = state.langsteer.tokens.row.tolist()
    return rows


def test_prompts_are_found_by_place_and_rows_by_batch_order(state: Any, batch: Batch) -> None:
    (de,) = batch.tables.profiles
    add(state, "plain", 3)
    add(state, "decode", 0, target=de, phase="decode")
    add(state, "all", 2, target=de)
    rows = step(state, ["all", "decode", "plain"], [2, 0, 3], [1, 3, 2], [9, 0, 0], [3, 0, 1, 2])
    assert rows[:6] == [1, 0, 0, 1, 0, 0]
    assert state.calls[:2] == ["remove plain", "add plain"]


def test_a_preempted_request_comes_back_steered(state: Any, batch: Batch) -> None:
    (de,) = batch.tables.profiles
    add(state, "a", 0, target=de, phase="decode")
    step(state, ["a"], [0], [4], [0], [4])
    state.remove_request("a")
    assert batch.slots.in_use == 0
    add(state, "a", 1, target=de, phase="decode")
    # The prompt's four tokens and two that were generated before: those were edited.
    assert step(state, ["a"], [1], [6], [0], [0, 4])[:6] == [0, 0, 0, 1, 1, 1]


def test_reasoning_is_told_from_the_steps_own_tokens(state: Any, batch: Batch) -> None:
    (de,) = batch.tables.profiles
    wish = {"target": de, "phase": "decode", "reasoning": "off"}
    add(state, "a", 0, ([WORD] * 4, []), **wish)
    add(state, "b", 1, ([WORD] * 2, []), **wish)
    step(state, ["a", "b"], [0, 1], [4, 2], [0, 0], [4, 2])
    rows = step(state, ["b", "a"], [1, 0], [1, 1], [2, 4], [4, 2], ids_of=[WORD, START])
    assert rows[:2] == [1, 0]  # b does not reason
    assert step(state, ["a"], [0], [1], [5], [4], ids_of=[END])[:1] == [1]


def test_a_preempted_request_reasons_on_where_it_was(state: Any, batch: Batch) -> None:
    (de,) = batch.tables.profiles
    wish = {"target": de, "phase": "decode", "reasoning": "off"}
    generated = [START, WORD, END, WORD]
    add(state, "a", 0, ([WORD] * 2, generated), **wish)
    ids = [WORD, WORD, *generated]
    assert step(state, ["a"], [0], [6], [0], [2], ids_of=ids)[:6] == [0, 0, 0, 0, 1, 1]
    # Found in the prefix cache up to within the reasoning, and up to after it.
    for computed, expected in ((3, [0, 1, 1]), (5, [1])):
        add(state, "a", 0, ([WORD] * 2, generated), **wish)
        rows = step(state, ["a"], [0], [6 - computed], [computed], [2], ids_of=ids[computed:])
        assert rows[: 6 - computed] == expected


def test_dummy_batches_and_captures_leave_nothing_steered(state: Any, batch: Batch) -> None:
    (de,) = batch.tables.profiles
    add(state, "a", 0, target=de)
    for dummy in (
        lambda: step(state, ["req_0_x", "req_1_y"], [0, 1], [2, 2], [0, 0], [9, 9]),
        lambda: state.prepare_dummy_inputs(2, 8),
    ):
        step(state, ["a"], [0], [4], [0], [4])
        assert batch.tokens.row.any()
        dummy()
        assert not batch.tokens.row.any()
        assert batch.tokens.active  # a graph captured now must hold the edit


def test_what_cannot_be_laid_out_is_refused(state: Any, batch: Batch) -> None:
    (de,) = batch.tables.profiles
    add(state, "a", 0, target=de)
    with pytest.raises(EngineError, match="on the device only"):
        step(state, ["a"], [0], [4], [0], [4], tokens=3)

    class Denoiser(State):
        num_new_sampled_tokens_per_step = 0

    with pytest.raises(EngineError, match="several tokens at once"):
        runner_v2.steered(Denoiser)(None, None, None, None)
