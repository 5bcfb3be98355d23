"""A vLLM engine in the process of a test script, on either model runner."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Sequence
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
