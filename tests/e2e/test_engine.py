"""The edit inside real vLLM on a real model, against stock vLLM and against transformers.

Engines run in float32: there, two implementations of one computation agree to about 1e-5
and a greedy token flips only on a tie, so that "the same" can be asserted. In bfloat16 the
comparison would mostly measure rounding.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from profiles.profile import Profile
from tests.e2e.asks import TOKENS, TOLERANCE, as_edit, batch, request, same
from tests.e2e.reference import Reference

pytestmark = pytest.mark.e2e

FEW = 3  # enough where the prompt's KV is what is at stake
STARTS = {
    "plain": "The kitchen window was still open when",
    "neurons": "My grandmother used to tell us that",
    "offset": "If you want to travel by train,",
    "both": "The doctor explained to her patient why",
    "decode": "Nobody had expected that the new law would",
    "suppress": "After a long week at work, they",
    "mixture": "Water begins to boil as soon as",
    "strengths": "My sister wrote in her first letter that",
    "unsteered": "The committee will meet again next month because",
}


def steering(profiles: dict[str, Profile]) -> dict[str, dict[str, Any] | None]:
    """What each start is steered by: every kind of edit, strength and phase in one batch."""
    de, ja, zh = (profiles[name].content_hash for name in ("de", "ja", "zh"))
    return {
        "plain": None,
        "neurons": {"target": de},
        "offset": {"target": ja, "strength": 0.75},
        "both": {"target": zh, "strength": 0.5},
        "decode": {"target": de, "phase": "decode", "strength": 1.25},
        "suppress": {"suppress": [zh], "strength": 0.6},
        "mixture": {"target": ja, "suppress": [de, zh], "strength": 0.4},
        "strengths": {
            "target": ja,
            "suppress": [de, zh],
            "suppress_strengths": [0.7, 0.2],
            "strength": 0.4,
        },
        "unsteered": None,
    }


@pytest.fixture(scope="module")
def tokenizer(demo_folder: Path) -> Any:
    from transformers import AutoTokenizer

    return AutoTokenizer.from_pretrained(demo_folder)


@pytest.fixture(scope="module")
def prompts(tokenizer: Any) -> dict[str, list[int]]:
    return {name: tokenizer(text)["input_ids"] for name, text in STARTS.items()}


@pytest.fixture(scope="module")
def long_prompt(tokenizer: Any) -> list[int]:
    """Longer than one prefill chunk, and several cache blocks."""
    text = " ".join(f"{start} nobody said a word." for start in STARTS.values())
    ids: list[int] = tokenizer(f"{text}\n\n{text}")["input_ids"]
    return ids[:110]


@pytest.fixture(scope="module")
def kinds(profiles: dict[str, Profile]) -> dict[str, dict[str, Any] | None]:
    """Ways to steer one and the same prompt, for the prefix cache."""
    de, ja = profiles["de"].content_hash, profiles["ja"].content_hash
    return {
        "none": None,
        "de": {"target": de},
        "de2": {"target": de, "strength": 2.0},
        "ja": {"target": ja},
        "decode": {"target": de, "phase": "decode"},
    }


PAIRS = [
    (first, second)
    for first in ("none", "de", "ja", "decode", "de2")
    for second in ("none", "de", "ja", "decode")
]
TURNS = [(a, b) for a in ("none", "de", "decode") for b in ("none", "de", "decode")]
FIRST_TURN = 1 + 5 + 2 * len(PAIRS)  # the mixed batch, five cold answers, the pairs


@pytest.fixture(scope="module")
def engine(run_engine, prompts, long_prompt, profiles, kinds) -> dict[str, Any]:
    """One steered engine: the mixed batch, cold-cache answers, then every pair on a warm cache."""
    by = steering(profiles)
    batches = [batch([request(prompts[name], by[name]) for name in STARTS])]
    batches += [batch([request(long_prompt, kind, FEW)]) for kind in kinds.values()]
    for first, second in PAIRS:
        batches.append(batch([request(long_prompt, kinds[first], 1)]))
        batches.append(batch([request(long_prompt, kinds[second], FEW)], fresh=False))
    assert len(batches) == FIRST_TURN
    for a, b in TURNS:
        # An answer of more than a block, the next turn on what it left, and on a cold cache.
        turn = {**request(long_prompt[1:25], kinds[b], FEW), "after": len(batches)}
        batches.append(batch([request(long_prompt, kinds[a], 24)]))
        batches.append(batch([turn], fresh=False))
        batches.append(batch([turn]))
    out: dict[str, Any] = run_engine(batches)
    return out


@pytest.fixture(scope="module")
def stock(run_engine, prompts) -> dict[str, Any]:
    """vLLM without the plugin, same batch shape."""
    out: dict[str, Any] = run_engine(
        [batch([request(prompts[name], None) for name in STARTS])], stock=True
    )
    return out


def test_the_stock_engine_never_saw_the_plugin(stock, engine) -> None:
    assert not stock["plugin_loaded"]
    assert engine["plugin_loaded"]


@pytest.mark.parametrize("name", ["plain", "unsteered"])
def test_unsteered_beside_steered_is_bit_exact_with_stock_vllm(name, stock, engine) -> None:
    """Same tokens, and the same log-probabilities to the last bit."""
    at = list(STARTS).index(name)
    ours, theirs = engine["batches"][0][at], stock["batches"][0][at]
    assert ours["tokens"] == theirs["tokens"]
    assert ours["logprobs"] == theirs["logprobs"]


@pytest.fixture(scope="module")
def reference(demo_folder: Path) -> Reference:
    return Reference(str(demo_folder))


@pytest.mark.parametrize("name", list(STARTS))
def test_greedy_text_equals_transformers_with_hooks(
    name, engine, reference, prompts, profiles
) -> None:
    """Neurons, offset, both, both phases, away, mixtures of one strength and several."""
    by = steering(profiles)[name]
    answer = engine["batches"][0][list(STARTS).index(name)]
    decode = by is not None and by.get("phase") == "decode"
    tokens, logprobs = reference.greedy(
        prompts[name],
        TOKENS,
        as_edit(profiles, by) if by else None,
        strength=by.get("strength", 1.0) if by else 0.0,
        first=len(prompts[name]) - 1 if decode else 0,
    )
    assert answer["tokens"] == tokens
    ours = [step[str(token)] for step, token in zip(answer["logprobs"], tokens, strict=True)]
    assert ours == pytest.approx(logprobs, abs=TOLERANCE)


@pytest.mark.parametrize("name", [n for n in STARTS if n not in ("plain", "unsteered")])
def test_every_kind_of_steering_changes_the_answer(name, engine, stock) -> None:
    at = list(STARTS).index(name)
    assert engine["batches"][0][at]["tokens"] != stock["batches"][0][at]["tokens"]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_a_warm_prefix_cache_changes_nothing(first, second, engine, kinds) -> None:
    cold = engine["batches"][1 + list(kinds).index(second)][0]
    at = 1 + len(kinds) + 2 * PAIRS.index((first, second)) + 1
    warm = engine["batches"][at][0]
    same(warm, cold)
    assert cold["cached"] == 0
    # The test bites only if something is cached: equal steering shares everything, and
    # decode-only steering shares the prompt's whole blocks with unsteered requests.
    shares = first == second or {first, second} == {"none", "decode"}
    assert (warm["cached"] > 0) == shares


def test_no_row_is_held_when_every_request_has_ended(engine) -> None:
    assert engine["facts"]["rows_in_use"] == 0
    assert engine["facts"]["edited_tokens"] > 0


@pytest.mark.parametrize(("a", "b"), TURNS)
def test_an_answer_sent_back_as_the_next_turn(a, b, engine) -> None:
    """The KV blocks of a steered answer must not serve a turn that is steered otherwise."""
    at = FIRST_TURN + 3 * TURNS.index((a, b))
    _, warm, cold = (entry[0] for entry in engine["batches"][at : at + 3])
    assert warm["prompt"] == cold["prompt"]
    same(warm, cold)
    assert cold["cached"] == 0
    if a == b and a != "decode":
        assert warm["cached"] > 110  # blocks of the answer, not only of the prompt


@pytest.fixture(scope="module")
def compiled(run_engine, prompts, profiles) -> dict[str, Any]:
    """The mixed batch through vLLM's compiled graph: every kind of edit is in it."""
    by = steering(profiles)
    out: dict[str, Any] = run_engine(
        [batch([request(prompts[name], by[name]) for name in STARTS])], enforce_eager=False
    )
    return out


def test_torch_compile_gives_what_eager_gives(compiled, engine) -> None:
    for ours, eager in zip(compiled["batches"][0], engine["batches"][0], strict=True):
        same(ours, eager)
    assert compiled["facts"]["edited_tokens"] > 0


def test_compiled_unsteered_requests_equal_compiled_stock_vllm(
    compiled, run_engine, prompts
) -> None:
    stock = run_engine(
        [batch([request(prompts[name], None) for name in STARTS])], stock=True, enforce_eager=False
    )
    for name in ("plain", "unsteered"):
        at = list(STARTS).index(name)
        assert compiled["batches"][0][at]["tokens"] == stock["batches"][0][at]["tokens"]
        assert compiled["batches"][0][at]["logprobs"] == stock["batches"][0][at]["logprobs"]
