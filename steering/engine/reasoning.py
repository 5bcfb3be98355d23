"""The markers of the served model's reasoning, as vLLM's reasoning parser knows them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from steering.markers import Markers

# Parsers whose markers one pair of tokens does not tell, and why; by vLLM's names of them.
_OTHERWISE = {
    "gemma4": "puts a word after the start marker, in prompts too",
    "k2_horizon": "has another pair of markers for each reasoning effort of a request",
}
# What chat templates put after a marker, and models before one.
_BLANK = ("\n", "\n\n", "\n\n\n", " ", "  ", "\t", " \n", " \n\n", "\r\n", "\r\n\r\n")


def no_markers(vllm_config: Any) -> str:
    """Why reasoning cannot be told from the answer in this engine; "" where it can.

    Args:
        vllm_config: the engine's; the same in its core and all its workers.
    """
    config = getattr(vllm_config, "reasoning_config", None)
    if config is None:
        return "the server has no reasoning parser; start it with --reasoning-parser"
    name = f"the reasoning parser {config.reasoning_parser or '(none)'}"
    if not config.enabled:
        return (
            f"{name} names no markers of the reasoning; if the model has some, start the server "
            """with --reasoning-config '{"reasoning_start_str": "<think>", """
            """"reasoning_end_str": "</think>"}'"""
        )
    if why := _OTHERWISE.get(config.reasoning_parser or ""):
        return f"{name} {why}; langsteer tells one pair of single tokens"
    start, end = config.reasoning_start_token_ids, config.natural_reasoning_end_token_ids
    if len(start) != 1 or len(end) != 1:
        return (
            f"{name} has markers of {len(start)} and {len(end)} tokens; langsteer tells them by "
            "single tokens"
        )
    if start == end:
        return f"{name} has one marker for both ends of the reasoning"
    if getattr(vllm_config, "speculative_config", None):
        return (
            "drafts that are rejected would count as markers; start the server without "
            "--speculative-config"
        )
    parallel = getattr(vllm_config, "parallel_config", None)
    if getattr(parallel, "pipeline_parallel_size", 1) > 1 and vllm_config.use_v2_model_runner:
        return (
            "with pipeline stages that was shown on model runner V1 only; start the server with "
            "VLLM_USE_V2_MODEL_RUNNER=0 or --pipeline-parallel-size 1"
        )
    return ""


def markers(vllm_config: Any) -> Markers:
    """The markers; `no_markers` has nothing to say against it."""
    config = vllm_config.reasoning_config
    (start,), (end,) = config.reasoning_start_token_ids, config.natural_reasoning_end_token_ids
    blanks = frozenset(_blanks(vllm_config.model_config)) - {start, end}
    return Markers(start=start, end=end, blanks=blanks)


def _blanks(model_config: Any) -> Iterator[int]:
    """Tokens of white space."""
    if model_config.skip_tokenizer_init:
        return
    from vllm.tokenizers import cached_tokenizer_from_config

    tokenizer = cached_tokenizer_from_config(model_config=model_config)
    for text in _BLANK:
        for token in tokenizer.encode(text, add_special_tokens=False):
            # Some tokenizers have no token for one, and give the unknown one.
            if not tokenizer.decode([token]).strip():
                yield token
