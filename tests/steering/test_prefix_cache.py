from dataclasses import replace
from types import SimpleNamespace

from steering.engine.prefix_cache import steering_hash_keys
from steering.request import SteeringRequest


def request(prompt: int, **kwargs) -> SimpleNamespace:
    extra = SteeringRequest(**kwargs).to_extra_args() if kwargs else None
    return SimpleNamespace(
        sampling_params=SimpleNamespace(extra_args=extra), num_prompt_tokens=prompt
    )


def test_unsteered_blocks_keep_their_hash() -> None:
    assert steering_hash_keys(request(40), 0, 16) == []
    assert steering_hash_keys(SimpleNamespace(sampling_params=None), 0, 16) == []


def test_every_block_of_fully_steered_requests_is_marked() -> None:
    keys = [steering_hash_keys(request(40, target="a"), s, s + 16) for s in (0, 16, 32)]
    assert keys[0]
    assert keys[0] == keys[1] == keys[2]


def test_decode_only_marks_from_the_block_of_the_first_edited_token() -> None:
    """Position prompt - 1 is the first edited one; the block that holds it is no longer shared."""
    decode = request(32, target="a", phase="decode")
    assert steering_hash_keys(decode, 0, 16) == []
    assert steering_hash_keys(decode, 16, 32) != []
    later = request(33, target="a", phase="decode")
    assert steering_hash_keys(later, 16, 32) == []
    assert steering_hash_keys(later, 32, 48) != []


def test_decode_only_requests_share_only_where_they_begin_alike() -> None:
    """A's answer as part of B's prompt: the same tokens, edited in A and not in B."""
    a, b = (request(prompt, target="a", phase="decode") for prompt in (20, 32))
    assert steering_hash_keys(a, 16, 32) != steering_hash_keys(b, 16, 32)


def test_reasoning_apart_leaves_the_prompt_shared() -> None:
    apart = request(33, target="a", phase="decode", reasoning="off")
    assert steering_hash_keys(apart, 16, 32) == []
    same = request(33, target="a", phase="decode", reasoning="off")
    assert steering_hash_keys(apart, 32, 48) == steering_hash_keys(same, 32, 48) != []


def test_malformed_arguments_do_not_break_the_scheduler() -> None:
    bad = request(32)
    bad.sampling_params.extra_args = {"langsteer_nonsense": 1}
    assert steering_hash_keys(bad, 0, 16) == []


def test_strength_phase_and_profile_all_separate() -> None:
    own = SteeringRequest(target="b", phase="decode")
    kinds = [
        {"target": "a"},
        {"target": "b"},
        {"suppress": ("a",)},
        {"target": "a", "suppress": ("b",)},
        {"target": "a", "strength": 1.5},
        {"target": "a", "phase": "decode"},
        {"target": "a", "phase": "decode", "reasoning": "off"},
        {"target": "a", "phase": "decode", "reasoning": own},
        {"target": "a", "phase": "decode", "reasoning": replace(own, strength=0.5)},
        {"phase": "decode", "reasoning": own},
    ]
    keys = {tuple(steering_hash_keys(request(8, **kind), 0, 16)) for kind in kinds}
    assert len(keys) == len(kinds)
