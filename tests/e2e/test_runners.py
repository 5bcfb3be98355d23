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
from tests.e2e.asks import as_edit, batch, request
from tests.e2e.conftest import save_all, synthetic
from tests.e2e.reference import Reference
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
WARM = 9  # two batches, and seven on a warm cache
AFTER = WARM + 3  # of those that steer the reasoning apart, the one with a turn after it
# Engines that refuse those.
NO_PARTS = ("drafts",)
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
def reference(tiny: Path) -> Reference:
    return Reference(str(tiny))


@pytest.fixture(scope="module")
def thinks(reference: Reference) -> tuple[list[int], tuple[int, int]]:
    """(a prompt, markers): unsteered, the model opens its reasoning first and closes it soon."""
    for seed in range(200, 300):
        prompt = words(61, seed)
        first, *rest = reference.greedy(prompt, 6)[0]
        if first not in rest and rest[3] not in (first, *rest[:3]):
            return prompt, (first, rest[3])
    raise AssertionError("no such prompt")


@pytest.fixture(scope="module")
def parted(
    by: dict[str, dict[str, Any] | None], thinks: tuple[list[int], tuple[int, int]]
) -> list[dict[str, Any]]:
    """Requests that steer reasoning and answer apart: mixed, crowded, and on a warm cache."""
    prompt, (start, end) = thinks
    answer, ja, zh = by["decode"] or {}, by["offset"] or {}, by["both"] or {}
    own = {"target": ja["target"], "strength": 2.0, "phase": "decode"}
    off = {**answer, "reasoning": "off"}
    two = {**answer, "reasoning": own}
    alone = {"phase": "decode", "reasoning": {**own, "target": zh["target"], "strength": 0.1}}
    mixed = [
        request(ids, steering, 12)
        for ids, steering in (
            (prompt, off),
            (prompt, two),
            (words(9, 7), None),
            ([*prompt, start], off),
            ([*prompt, start], two),
            ([*prompt, start, end], two),
            (prompt, alone),
            (words(12, 3), off),  # does not reason
            (prompt, answer),
        )
    ]
    crowded = [
        request(ids, steering, 40)
        for ids, steering in (
            (words(63, 41), by["both"]),
            ([*words(62, 42), start], two),
            ([*prompt, start], off),
            (prompt, off),  # the last to come is the first to be preempted
        )
    ]
    warm = [batch([request(prompt, each, 36)], fresh=not i) for i, each in enumerate([None, off])]
    warm += [batch([request(prompt, each, 8)], fresh=False) for each in (off, two, None)]
    # Its answer is part of the next turn's prompt, which is unsteered, or steered in another place.
    for each in (None, off):
        turn = batch([{**request(words(3, 5), each, 6), "after": AFTER}], fresh=False)
        warm.append(turn)
    return [batch(mixed), batch(crowded), *warm]


@pytest.fixture(scope="module")
def answers(
    start_engine: Any,
    tiny: Path,
    made: dict[str, Profile],
    asked: list[dict[str, Any]],
    parted: list[dict[str, Any]],
    thinks: tuple[list[int], tuple[int, int]],
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, dict[str, Any]]:
    """Every engine there is, side by side, on one thread each."""
    folder = save_all(made, tmp_path_factory.mktemp("tiny-profiles"))
    unsteered = [batch([{**one, "steering": None} for one in asked[0]["requests"]])]

    def run(name: str) -> dict[str, Any]:
        stock = name == "stock v2"
        more = OTHERS.get(name, {})
        out: dict[str, Any] = start_engine(
            unsteered if stock else asked + ([] if name in NO_PARTS else parted),
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
            markers=None if stock else thinks[1],
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
        cached = [entry["cached"] for (entry,) in answer["batches"][2:WARM]]
        # decode shares the prompt's blocks with plain, a strength shares with itself only.
        assert [bool(count) for count in cached] == [False, True, False, True, False, True, True]
    first = [entry["tokens"] for (entry,) in answers["v1"]["batches"][2:WARM]]
    assert first[2] == first[3]
    assert len({tuple(tokens) for tokens in first}) == 4


@pytest.mark.parametrize("runner", ["v2", "v2-async"])
def test_v2_answers_as_v1(
    answers: dict[str, dict[str, Any]],
    asked: list[dict[str, Any]],
    parted: list[dict[str, Any]],
    runner: str,
) -> None:
    for which, asks in enumerate(asked + parted):
        ours, theirs = (answers[name]["batches"][which] for name in (runner, "v1"))
        assert len(ours) == len(theirs) == len(asks["requests"])
        for at, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert a["tokens"] == b["tokens"], (which, at)
            for x, y in zip(a["logprobs"], b["logprobs"], strict=True):
                assert x == pytest.approx(y, abs=TOLERANCE), (which, at)
        if len(asks["requests"]) == 1:
            assert ours[0]["cached"] == theirs[0]["cached"]


@pytest.mark.parametrize("name", OTHERS)
def test_they_answer_as_v1_alone(answers: dict[str, dict[str, Any]], name: str) -> None:
    for which in range(len(answers[name]["batches"])):
        ours, theirs = (answers[each]["batches"][which] for each in (name, "v1"))
        for at, (a, b) in enumerate(zip(ours, theirs, strict=True)):
            assert a["tokens"] == b["tokens"], (which, at)
            for x, y in zip(a["logprobs"], b["logprobs"], strict=True):
                assert x == pytest.approx(y, abs=1e-4), (which, at)
    assert answers[name]["facts"]["rows_in_use"] == 0
    assert answers[name]["workers"] == (1 if name == "drafts" else 2)


def ends(prompt: list[int], tokens: list[int], start: int, end: int) -> int:
    """The first position that has the answer's edit: those before it, from the prompt's last on,
    have the reasoning's."""
    if prompt[-1] == end:
        return len(prompt) - 1
    if start not in (prompt[-1], tokens[0]):
        return len(prompt)
    return len(prompt) + (tokens.index(end) if end in tokens else len(tokens))


def test_reasoning_and_answer_have_their_own_edits(
    answers: dict[str, dict[str, Any]],
    parted: list[dict[str, Any]],
    thinks: tuple[list[int], tuple[int, int]],
    made: dict[str, Profile],
    reference: Reference,
) -> None:
    """Every token of every one, against transformers with each edit in its place."""
    end = thinks[1][1]
    kinds = set()
    for which, asks in enumerate(parted, WARM):
        for got, one in zip(answers["v1"]["batches"][which], asks["requests"], strict=True):
            by, prompt, tokens = one["steering"] or {}, got["prompt"], got["tokens"]
            apart, last = by.get("reasoning"), len(prompt) + len(tokens)
            from_ = len(prompt) - 1 if by.get("phase") == "decode" else 0
            turn = ends(prompt, tokens, *thinks[1]) if apart else from_
            edits = [(made_of(by, made), by.get("strength", 1.0), turn, last)]
            if isinstance(apart, dict):
                edits.append((as_edit(made, apart), apart["strength"], from_, turn))
            said, logprobs = reference.read(prompt + tokens, edits)
            assert said[len(prompt) - 1 :] == tokens, (which, by)
            given = [each[str(t)] for each, t in zip(got["logprobs"], tokens, strict=True)]
            assert given == pytest.approx(logprobs[len(prompt) - 1 :], abs=1e-4), (which, by)
            kinds.add((type(apart), end in tokens[:-1], turn - len(prompt)))
    # Both kinds came to the end of their reasoning and went on, from either beginning.
    assert {(str, True, 4), (dict, True, 4), (str, True, 3), (dict, True, 3)} <= kinds


def made_of(by: dict[str, Any], made: dict[str, Profile]) -> Any:
    return as_edit(made, by) if by.get("target") or by.get("suppress") else None


def test_reasoning_that_is_off_is_the_unsteered_models(
    answers: dict[str, dict[str, Any]], thinks: tuple[list[int], tuple[int, int]]
) -> None:
    plain, off = (answers["v1"]["batches"][WARM + 2 + at][0] for at in (0, 1))
    answer = off["tokens"].index(thinks[1][1]) + 1
    assert plain["tokens"][:answer] == off["tokens"][:answer]
    for a, b in zip(plain["logprobs"][:answer], off["logprobs"][:answer], strict=True):
        assert a == pytest.approx(b, abs=TOLERANCE)
    assert plain["tokens"][answer:] != off["tokens"][answer:]


@pytest.mark.parametrize("runner", ["v1", "v2", "v2-async"])
def test_reasoning_apart_shares_the_prompt_and_nothing_else(
    answers: dict[str, dict[str, Any]], runner: str
) -> None:
    assert answers[runner]["preemptions"] > 0
    warm = [entry for (entry,) in answers[runner]["batches"][WARM + 2 :]]
    # 61 tokens of the prompt: one full block, whoever asks. The turns have 61 + 36 + 3 tokens: the
    # unsteered one finds what the unsteered answer began with, not a block that was steered; and
    # the other shares all of the prompt with it.
    assert [entry["cached"] for entry in warm] == [0, 32, 32, 32, 32, 64, 96]


def test_engines_say_whether_they_tell_reasoning_apart(
    answers: dict[str, dict[str, Any]],
) -> None:
    for name, answer in answers.items():
        if name in NO_PARTS:
            assert "rejected would count as markers" in answer["facts"]["no_reasoning"]
        elif "facts" in answer:
            assert answer["facts"]["no_reasoning"] == ""


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
