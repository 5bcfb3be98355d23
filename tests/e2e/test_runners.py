"""Other ways to run the same requests, against V1: the same answers.

The V2 model runner, tensor parallel ranks, pipeline stages, speculative decoding.

V2's own kernels run on the CPU in Triton's interpreter (interpreted.py), which is slow: the
model is tiny, with random weights, and every kind of batch goes through one engine of each kind.
"""

from __future__ import annotations

import importlib.util
import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from profiles.profile import ModelIdentity, Profile
from tests.e2e.asks import batch, request
from tests.e2e.conftest import save_all, synthetic
from tests.tiny_model import SIZES

pytestmark = [
    pytest.mark.e2e,
    pytest.mark.skipif(
        importlib.util.find_spec("triton") is None, reason="Triton's interpreter is not installed"
    ),
]

# float32: batches of other shapes sum in another order, and nothing else may differ.
TOLERANCE = 1e-5
FEW = 6
VOCABULARY = 512
LONG = 100  # three prefill chunks, three full cache blocks
# V1 with more options, by name.
OTHERS: dict[str, dict[str, Any]] = {
    "two tensor ranks": {"tensor_parallel_size": 2},
    # Eagerly, vLLM 0.32 on CPUs never makes the tensors between two stages.
    "two pipeline stages": {"pipeline_parallel_size": 2, "enforce_eager": False},
    "drafts": {
        "speculative_config": {
            "method": "ngram",
            "num_speculative_tokens": 3,
            "prompt_lookup_max": 3,
            "prompt_lookup_min": 1,
        }
    },
}


@pytest.fixture(scope="module")
def tiny(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A Llama of random weights, large enough that no two tokens are nearly tied."""
    import torch
    from transformers import LlamaConfig, LlamaForCausalLM

    torch.manual_seed(0)
    folder = tmp_path_factory.mktemp("tiny")
    config = LlamaConfig(vocab_size=VOCABULARY, **SIZES)
    LlamaForCausalLM(config).save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def made() -> dict[str, Profile]:
    identity = ModelIdentity(
        name="tiny",
        architecture="LlamaForCausalLM",
        layers=3,
        hidden_size=64,
        intermediate_size=160,
        tokenizer="t",
        weights="w",
    )
    kinds = {"de": "n", "ja": "o", "zh": "nom"}
    return {
        name: synthetic(identity, name, seed, kinds=kind)
        for seed, (name, kind) in enumerate(kinds.items())
    }


@pytest.fixture(scope="module")
def by(made: dict[str, Profile]) -> dict[str, dict[str, Any] | None]:
    """One batch of them all; the decode-only ones have prompts of one chunk and of several."""
    de, ja, zh = (made[name].content_hash for name in ("de", "ja", "zh"))
    return {
        "plain": None,
        "neurons": {"target": de, "strength": 4.0},
        "neurons, weaker": {"target": de, "strength": 0.5},
        "offset": {"target": ja, "strength": 8.0},
        "unsteered": None,
        "both": {"target": zh, "strength": 2.0},
        "decode": {"target": de, "phase": "decode", "strength": 6.0},
        "mixture": {"target": ja, "suppress": [de, zh], "strength": 3.0},
        "decode, chunked": {"target": zh, "phase": "decode", "strength": 5.0},
    }


LENGTHS = (5, 70, 9, 33, 61, 12, 40, 7, 90)


def words(count: int, seed: int) -> list[int]:
    return random.Random(seed).choices(range(3, VOCABULARY), k=count)


@pytest.fixture(scope="module")
def asked(by: dict[str, dict[str, Any] | None]) -> list[dict[str, Any]]:
    """The mixed batch, answers that outgrow the KV cache, one prompt on a warm prefix cache."""
    mixed = [
        request(words(length, seed), steering, FEW)
        for seed, (length, steering) in enumerate(zip(LENGTHS, by.values(), strict=True))
    ]
    crowded = [
        request(words(60 + i, 20 + i), by[name], 40)
        for i, name in enumerate(("neurons", "plain", "decode", "both"))
    ]
    long = words(LONG, 99)
    warm = ("plain", "decode", "neurons", "neurons", "neurons, weaker", "plain", "decode")
    return [
        batch(mixed),
        batch(crowded),
        *(batch([request(long, by[name], 3)], fresh=not i) for i, name in enumerate(warm)),
    ]


@pytest.fixture(scope="module")
def answers(
    start_engine: Any,
    tiny: Path,
    made: dict[str, Profile],
    asked: list[dict[str, Any]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Any]]:
    """Every engine there is, side by side, on one thread each."""
    folder = save_all(made, tmp_path_factory.mktemp("tiny-profiles"))
    unsteered = [batch([{**one, "steering": None} for one in asked[0]["requests"]])]

    def run(name: str) -> dict[str, Any]:
        stock = name == "stock v2"
        more = OTHERS.get(name, {})
        out: dict[str, Any] = start_engine(
            unsteered if stock else asked,
            model=tiny,
            profiles=folder,
            stock=stock,
            runner="v1" if name in OTHERS else name.removeprefix("stock "),
            threads=1,
            max_model_len=256,
            max_num_seqs=4,
            max_num_batched_tokens=48,
            # Four requests of 100 tokens need 16 blocks; one block is never given away.
            num_gpu_blocks_override=12,
            skip_tokenizer_init=True,
            **more,
        )
        return out

    names = ("v1", "v2", "v2-async", "stock v2", *OTHERS)
    with ThreadPoolExecutor(3) as pool:  # each takes more than a GiB
        return dict(zip(names, pool.map(run, names), strict=True))


@pytest.mark.parametrize("runner", ["v2", "v2-async"])
def test_it_is_really_v2(answers: dict[str, dict[str, Any]], runner: str) -> None:
    assert answers["v1"]["runner"] == "vllm.v1.worker.cpu_model_runner"
    assert answers[runner]["runner"] == "vllm.v1.worker.cpu.model_runner"
    assert answers[runner]["async"] == (runner == "v2-async")


def test_the_batches_hold_what_they_are_for(answers: dict[str, dict[str, Any]]) -> None:
    """Steering changes answers, requests are preempted, prompts are found in the cache."""
    for answer in (answers[name] for name in ("v1", "v2", "v2-async")):
        assert answer["preemptions"] > 0
        cached = [entry["cached"] for (entry,) in answer["batches"][2:]]
        # decode shares the prompt's blocks with plain, a strength shares with itself only.
        assert [bool(count) for count in cached] == [False, True, False, True, False, True, True]
    first = [entry["tokens"] for (entry,) in answers["v1"]["batches"][2:]]
    assert first[2] == first[3]
    assert len({tuple(tokens) for tokens in first}) == 4


@pytest.mark.parametrize("runner", ["v2", "v2-async"])
def test_v2_answers_as_v1(
    answers: dict[str, dict[str, Any]], asked: list[dict[str, Any]], runner: str
) -> None:
    for which, asks in enumerate(asked):
        ours, theirs = (answers[name]["batches"][which] for name in (runner, "v1"))
        assert len(ours) == len(theirs) == len(asks["requests"])
        for at, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert a["tokens"] == b["tokens"], (which, at)
            for x, y in zip(a["logprobs"], b["logprobs"], strict=True):
                assert x == pytest.approx(y, abs=TOLERANCE), (which, at)
        if len(asks["requests"]) == 1:
            assert ours[0]["cached"] == theirs[0]["cached"]


@pytest.mark.parametrize("name", OTHERS)
def test_they_answer_as_v1_alone(
    answers: dict[str, dict[str, Any]], asked: list[dict[str, Any]], name: str
) -> None:
    for which in range(len(asked)):
        ours, theirs = (answers[each]["batches"][which] for each in (name, "v1"))
        for at, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert a["tokens"] == b["tokens"], (which, at)
            for x, y in zip(a["logprobs"], b["logprobs"], strict=True):
                assert x == pytest.approx(y, abs=1e-4), (which, at)
    assert answers[name]["facts"]["rows_in_use"] == 0
    assert answers[name]["workers"] == (1 if name == "drafts" else 2)


def test_drafts_save_steps(answers: dict[str, dict[str, Any]]) -> None:
    """Or nothing was accepted, and the comparison shows little."""
    assert answers["drafts"]["steps"] < answers["v1"]["steps"]


@pytest.mark.parametrize("runner", ["v2", "v2-async"])
def test_no_row_outlives_its_requests(answers: dict[str, dict[str, Any]], runner: str) -> None:
    assert answers[runner]["facts"]["rows_in_use"] == 0
    assert answers[runner]["facts"]["edited_tokens"] > 0
    if runner == "v2":  # async scheduling computes tokens that are thrown away
        assert answers["v2"]["preemptions"] == answers["v1"]["preemptions"]
        assert answers["v2"]["facts"]["edited_tokens"] == answers["v1"]["facts"]["edited_tokens"]


def test_unsteered_requests_equal_stock_v2(
    answers: dict[str, dict[str, Any]], by: dict[str, Any]
) -> None:
    """To the last bit; and each of the others was changed."""
    stock = answers["stock v2"]
    assert not stock["plugin_loaded"]
    for at, name in enumerate(by):
        ours, theirs = answers["v2"]["batches"][0][at], stock["batches"][0][at]
        if by[name] is None:
            assert ours["tokens"] == theirs["tokens"]
            assert ours["logprobs"] == theirs["logprobs"]
        else:
            assert ours["tokens"] != theirs["tokens"], name
