"""What only a GPU can show: CUDA graphs, overlapping steps, real kernels. Never run anywhere yet.

`pytest tests/e2e/test_gpu.py`, on a machine with an NVIDIA GPU and after `make setup` there.
bfloat16, as served: two right answers differ by rounding, so they are compared up to the first
near tie, and every edit must move the first token's log-probability by much more than that.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import torch

from profiles.profile import Profile
from tests.e2e.asks import batch, request, same_but_for_ties

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.gpu,
    pytest.mark.skipif(not torch.cuda.is_available(), reason="needs an NVIDIA GPU"),
]

TOLERANCE = 0.15  # log-probability, bfloat16 beside bfloat16 in another order
START = "The kitchen window was still open when"
RUNNERS = ("gpu-v1", "gpu-v2")
# A batch size that is captured and one that is padded up to the next that is.
SIZES = (8, 11)


@pytest.fixture(scope="module")
def kinds(profiles: dict[str, Profile]) -> list[dict[str, Any] | None]:
    de, ja, zh = (profiles[name].content_hash for name in ("de", "ja", "zh"))
    return [
        None,
        {"target": de, "strength": 2.0},
        {"target": ja, "strength": 2.0},
        {"target": zh},
        {"target": de, "phase": "decode", "strength": 3.0},
        {"suppress": [zh]},
        {"target": ja, "suppress": [de, zh]},
        None,
    ]


@pytest.fixture(scope="module")
def prompt(demo_folder: Path) -> list[int]:
    from transformers import AutoTokenizer

    ids: list[int] = AutoTokenizer.from_pretrained(demo_folder)(START)["input_ids"]
    return ids


@pytest.fixture(scope="module")
def answers(
    run_engine: Any, prompt: list[int], kinds: list[dict[str, Any] | None]
) -> dict[tuple[str, str], dict[str, Any]]:
    """Each runner with graphs, eagerly and without langsteer, and each request by itself."""
    crowds = [
        batch([request([*prompt, 100 + n], kinds[n % len(kinds)], 24) for n in range(size)])
        for size in SIZES
    ]
    alone = [batch([request([*prompt, 100 + n], kind, 24)]) for n, kind in enumerate(kinds)]
    # The same prompt, steered otherwise each time, on a warm prefix cache.
    long = (prompt * 20)[:120]
    warm = [
        batch([request(long, kinds[n], 4)], fresh=not at) for at, n in enumerate((0, 1, 0, 4, 1))
    ]
    modes = {"graphs": {}, "eager": {"enforce_eager": True}}
    out = {}
    for runner in RUNNERS:
        for name, options in modes.items():
            out[runner, name] = run_engine(
                [*crowds, *alone, *warm],
                runner=runner,
                dtype="bfloat16",
                max_num_seqs=16,
                max_num_batched_tokens=512,
                gpu_memory_utilization=0.3,
                **{"enforce_eager": False, **options},
            )
        plain = [batch([{**one, "steering": None} for one in each["requests"]]) for each in crowds]
        out[runner, "stock"] = run_engine(
            plain,
            stock=True,
            runner=runner,
            dtype="bfloat16",
            max_num_seqs=16,
            max_num_batched_tokens=512,
            gpu_memory_utilization=0.3,
            enforce_eager=False,
        )
    return out


@pytest.mark.parametrize("runner", RUNNERS)
def test_it_is_really_that_runner(answers: Any, runner: str) -> None:
    module = {"gpu-v1": "gpu_model_runner", "gpu-v2": "gpu.model_runner"}[runner]
    assert answers[runner, "graphs"]["runner"] == f"vllm.v1.worker.{module}"


@pytest.mark.parametrize("runner", RUNNERS)
def test_captured_graphs_hold_this_steps_edits(answers: Any, runner: str) -> None:
    graphs, eager = answers[runner, "graphs"], answers[runner, "eager"]
    for ours, theirs in zip(graphs["batches"], eager["batches"], strict=True):
        for a, b in zip(ours, theirs, strict=True):
            same_but_for_ties(a, b, TOLERANCE)
    assert graphs["facts"]["edited_tokens"] > 0
    assert graphs["facts"]["rows_in_use"] == 0


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_request_in_a_crowd_answers_as_by_itself(answers: Any, kinds: Any, runner: str) -> None:
    batches = answers[runner, "graphs"]["batches"]
    for n in range(len(kinds)):
        same_but_for_ties(batches[0][n], batches[len(SIZES) + n][0], TOLERANCE)


@pytest.mark.parametrize("runner", RUNNERS)
def test_unsteered_requests_are_those_of_stock_vllm_and_the_others_are_not(
    answers: Any, kinds: Any, runner: str
) -> None:
    for size, ours, theirs in zip(
        SIZES,
        answers[runner, "graphs"]["batches"],
        answers[runner, "stock"]["batches"],
        strict=False,
    ):
        for n in range(size):
            if kinds[n % len(kinds)] is None:
                same_but_for_ties(ours[n], theirs[n], TOLERANCE)
            else:
                a, b = ours[n]["logprobs"][0], theirs[n]["logprobs"][0]
                moved = max((abs(a[t] - b[t]) for t in a.keys() & b.keys()), default=9.0)
                assert moved > 3 * TOLERANCE, n


@pytest.mark.parametrize("runner", RUNNERS)
def test_a_warm_prefix_cache_changes_nothing(answers: Any, runner: str) -> None:
    plain, de, again, decode, de_again = (
        each[0] for each in answers[runner, "graphs"]["batches"][-5:]
    )
    same_but_for_ties(plain, again, TOLERANCE)
    same_but_for_ties(de, de_again, TOLERANCE)
    assert [bool(each["cached"]) for each in (plain, de, again, decode, de_again)] == [
        *(False, False),
        *(True, True, True),
    ]


def test_both_runners_answer_alike(answers: Any) -> None:
    first, second = (answers[runner, "graphs"]["batches"] for runner in RUNNERS)
    for ours, theirs in zip(first, second, strict=True):
        for a, b in zip(ours, theirs, strict=True):
            same_but_for_ties(a, b, TOLERANCE)
