"""A vLLM engine in the process of a test script, on either model runner."""

from __future__ import annotations

import gc
import json
import os
import traceback
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import interpreted  # beside this file


def prepare(runner: str = "v1", plugins: str = "langsteer") -> None:
    """Import vLLM for a runner; plugins "" is stock vLLM.

    Args:
        runner: "v1"; "v2" or "v2-async", in the interpreter; "gpu-v1" or "gpu-v2", as they are.
    """
    os.environ.update(
        VLLM_ENABLE_V1_MULTIPROCESSING="0",
        VLLM_PLUGINS=plugins,
        VLLM_CPU_KVCACHE_SPACE="1",
        VLLM_LOGGING_LEVEL="WARNING",
        VLLM_USE_V2_MODEL_RUNNER="1" if runner == "gpu-v2" else "0",
    )
    v2 = runner.startswith("v2")
    if v2:
        interpreted.prepare()
    import vllm  # noqa: F401

    if v2:
        interpreted.simplify(async_scheduling=runner == "v2-async")


def armed(profiles: Sequence[Any], headroom: int = 0) -> dict[str, Any]:
    """Arguments of `LLM` that make it steer, with room for these profiles."""
    from steering.capacity import plan

    return {
        "additional_config": {"langsteer": plan(profiles, headroom=headroom)},
        "worker_extension_cls": "steering.engine.control.WorkerExtension",
    }


def marked(start: int, end: int) -> dict[str, Any]:
    """Arguments of `LLM` by which any two tokens are the markers of reasoning, without a parser."""
    from vllm.config import ReasoningConfig

    config = ReasoningConfig()
    config._reasoning_start_token_ids = [start]
    config._reasoning_end_token_ids = config._natural_reasoning_end_token_ids = [end]
    return {"reasoning_config": config}


def one_by_one(
    cases: Mapping[str, dict[str, Any]], run: Callable[[dict[str, Any]], Any], out: Path
) -> None:
    """Run each case on an engine of its own, in this process; OUT gets the results by name.

    A case that raises has {"error": what} for a result, and the next one is run.
    """
    from vllm.distributed import cleanup_dist_env_and_memory

    results: dict[str, Any] = {}
    for name, case in cases.items():
        try:
            results[name] = run(case)
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            results[name] = {"error": f"{type(error).__name__}: {error}"}
        gc.collect()
        cleanup_dist_env_and_memory()
        out.write_text(json.dumps(results))


def greedy(tokens: int, steering: Any, *, detokenize: bool = False) -> Any:
    """Sampling parameters for `tokens` greedy tokens, with log-probabilities of three a step.

    Args:
        steering: a `SteeringRequest`, its fields, or None.
    """
    from vllm import SamplingParams

    request = steering
    if isinstance(steering, dict):  # an engine of stock vLLM never gets here, and imports nothing
        from steering.request import SteeringRequest

        reasoning = steering.get("reasoning")
        if isinstance(reasoning, dict):
            steering = {**steering, "reasoning": SteeringRequest(**reasoning)}
        request = SteeringRequest(**steering)
    return SamplingParams(
        temperature=0.0,
        max_tokens=tokens,
        ignore_eos=True,
        logprobs=3,
        detokenize=detokenize,
        extra_args=request.to_extra_args() if request else None,
    )


def answer(output: Any) -> dict[str, Any]:
    """What vLLM answered to one request, for JSON."""
    (one,) = output.outputs
    return {
        "tokens": list(one.token_ids),
        "logprobs": [
            {str(token): entry.logprob for token, entry in step.items()} for step in one.logprobs
        ],
        "cached": output.num_cached_tokens,
    }


def watch() -> Counter[str]:
    """Counts of what the scheduler does from now on: "steps" and "preempted"."""
    from vllm.v1.core.sched.scheduler import Scheduler

    seen: Counter[str] = Counter()
    preempt, schedule = Scheduler._preempt_request, Scheduler.schedule

    def _preempt_request(self: Any, *args: Any, **kwargs: Any) -> None:
        seen["preempted"] += 1
        preempt(self, *args, **kwargs)

    def _schedule(self: Any, *args: Any, **kwargs: Any) -> Any:
        seen["steps"] += 1
        return schedule(self, *args, **kwargs)

    Scheduler._preempt_request, Scheduler.schedule = _preempt_request, _schedule
    return seen
