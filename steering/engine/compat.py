"""Feature probes: does this vLLM have the seams langsteer needs?"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any


def missing_seams() -> list[str]:
    """What this vLLM lacks, in words; empty if langsteer can steer with it.

    Probes features, not versions: a release that moves nothing we touch keeps working.
    """
    try:
        from vllm.v1.core import kv_cache_utils
        from vllm.v1.worker.cpu_model_runner import CPUModelRunner
        from vllm.v1.worker.gpu_model_runner import GPUModelRunner
    except ImportError as error:
        return [f"vLLM's V1 model runner cannot be imported ({error})"]
    out = []
    for function, first in (
        (GPUModelRunner.load_model, ["self"]),
        (CPUModelRunner.load_model, ["self"]),
        (GPUModelRunner._update_states, ["self", "scheduler_output"]),
        (
            GPUModelRunner._prepare_inputs,
            ["self", "scheduler_output", "num_scheduled_tokens"],
        ),
        (GPUModelRunner._dummy_run, ["self", "num_tokens"]),
        (
            getattr(kv_cache_utils, "_gen_prompt_embeds_extra_hash_keys", None),
            ["request", "start_token_idx", "end_token_idx"],
        ),
    ):
        if function is None:
            out.append("kv_cache_utils._gen_prompt_embeds_extra_hash_keys is gone")
        elif _parameters(function)[: len(first)] != first:
            out.append(f"{function.__qualname__} no longer begins with ({', '.join(first)})")
    return out


def _parameters(function: Callable[..., Any]) -> list[str]:
    return list(inspect.signature(inspect.unwrap(function)).parameters)
