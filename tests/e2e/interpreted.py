"""vLLM's V2 model runner on a CPU: its real Triton kernels, run by Triton's interpreter.

Only for tests: vLLM picks V2 where Triton has a backend for the device, and there is none for
CPUs. What it cannot show is listed in docs/architecture.md.
"""

from __future__ import annotations

import os
from typing import Any


def prepare() -> None:
    """To be called before vLLM is imported, in a process that runs nothing else."""
    os.environ.update(
        TRITON_INTERPRET="1",
        VLLM_USE_V2_MODEL_RUNNER="1",
        VLLM_ENABLE_V1_MULTIPROCESSING="0",
    )
    from triton import backends

    # A driver that says it is active would make torch.compile look for a compiler.
    driver = type("Driver", (), {"is_active": staticmethod(lambda: False)})
    backends.backends["cpu"] = backends.Backend(compiler=None, driver=driver)


def simplify(*, async_scheduling: bool) -> None:
    """After vLLM is imported: greedy sampling without its slowest kernel, and GPU's order.

    Args:
        async_scheduling: schedule a step while the last one runs, as on GPUs.
    """
    from vllm.platforms.cpu import CpuPlatform
    from vllm.v1.sample.ops import topk_topp_sampler
    from vllm.v1.worker.gpu.sample import sampler

    topk_topp_sampler.HAS_TRITON = False  # that kernel fails in the interpreter

    def argmax(logits: Any, *_: Any, **__: Any) -> Any:
        return logits.argmax(-1)

    sampler.gumbel_sample = argmax  # half a second a step, and no noise at temperature 0
    if not async_scheduling:
        return
    original = CpuPlatform.check_and_update_config.__func__

    def check_and_update_config(cls: Any, vllm_config: Any) -> None:
        original(cls, vllm_config)
        vllm_config.scheduler_config.async_scheduling = True

    CpuPlatform.check_and_update_config = classmethod(check_and_update_config)
