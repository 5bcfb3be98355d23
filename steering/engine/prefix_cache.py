"""Keep steered and unsteered KV blocks apart in vLLM's prefix cache."""

from __future__ import annotations

import functools
from typing import Any

from steering.engine.compat import lacking
from steering.request import SteeringRequest

_KEPT = "_langsteer_first_and_key"


def steering_hash_keys(request: Any, start: int, end: int) -> list[tuple[str, str]]:
    """Extra hash keys of the block [start, end) of a vLLM `Request`.

    A block's KV depends on the steering if any of its tokens, or any token before them, is
    edited; block hashes chain, so it is enough to mark every block from the first edited
    one on. Decode-only steering leaves the blocks before it shared with everybody. Where it
    begins is part of its key: the same text as another prompt's answer was edited from elsewhere.
    That holds for reasoning steered apart too: which of its edits a token has follows from the
    tokens before it, which are in the hash, and from where the prompt ends.

    Arguments that make no valid request add no key; the model runner refuses such a request.
    """
    # Asked once a block, of which a long prompt has thousands: worked out once a request.
    if not hasattr(request, _KEPT):
        setattr(request, _KEPT, _first_and_key(request))
    first, key = getattr(request, _KEPT)
    return [("langsteer", key)] if key and end > first else []


def _first_and_key(request: Any) -> tuple[int, str]:
    """The first edited position and the key of the blocks from there on; "" for unsteered."""
    params = request.sampling_params
    try:
        steering = SteeringRequest.from_extra_args(params.extra_args if params else None)
    except ValueError:
        steering = None
    if steering is None:
        return 0, ""
    first = steering.first_position(request.num_prompt_tokens)
    return first, f"{steering.fingerprint}@{first}"


def missing() -> list[str]:
    """What this vLLM's prefix cache lacks, in words."""
    try:
        from vllm.v1.core import kv_cache_utils
    except ImportError as error:
        return [f"vLLM's prefix cache cannot be imported ({error})"]
    return lacking(
        kv_cache_utils,
        "_gen_prompt_embeds_extra_hash_keys",
        ["request", "start_token_idx", "end_token_idx"],
    )


def install() -> None:
    """Patch P1 (PATCHES.md): append our keys to those of every block."""
    from vllm.v1.core import kv_cache_utils

    original = kv_cache_utils._gen_prompt_embeds_extra_hash_keys

    @functools.wraps(original)
    def with_steering(request: Any, start_token_idx: int, end_token_idx: int) -> list[Any]:
        keys: list[Any] = original(request, start_token_idx, end_token_idx)
        return keys + steering_hash_keys(request, start_token_idx, end_token_idx)

    kv_cache_utils._gen_prompt_embeds_extra_hash_keys = with_steering
