"""The seam into vLLM's V1 model runner (GPU and CPU)."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from steering.batch import Batch
from steering.capacity import Capacity
from steering.engine import ffn
from steering.errors import EngineError
from steering.tables import Tables
from steering.tokens import Tokens

CONFIG_KEY = "langsteer"
ATTRIBUTE = "langsteer_batch"


def arm(runner: Any) -> None:
    """Allocate tables and put the edits into the model `runner` has just loaded.

    Does nothing for an engine that was not asked to steer (no "langsteer" in
    additional_config), and nothing to drafters: only `runner.model` is touched.

    Raises:
        EngineError: the model or the engine's settings can't be steered.
    """
    config = (runner.vllm_config.additional_config or {}).get(CONFIG_KEY)
    if config is None or getattr(runner, ATTRIBUTE, None) is not None:
        return
    _refuse_unsupported(runner)
    capacity = Capacity.from_config(config)
    from vllm.distributed import (
        get_tensor_model_parallel_rank,
        get_tensor_model_parallel_world_size,
    )

    ffns = ffn.find_ffns(runner.get_model())
    if ffns[-1].layer >= len(capacity.columns):
        raise EngineError(
            f"the model has a layer {ffns[-1].layer}, the profiles are for "
            f"{len(capacity.columns)} layers"
        )
    rank, world = get_tensor_model_parallel_rank(), get_tensor_model_parallel_world_size()
    shards = {ffn.shard(one, capacity.intermediate_size, rank, world) for one in ffns}
    # One request needs at most one row and a step has at most max_num_seqs of them: with
    # this many rows, running out is impossible rather than handled.
    tables = Tables(
        capacity,
        layers=[one.layer for one in ffns],
        shard=shards.pop(),
        rows=runner.scheduler_config.max_num_seqs + 1,
        device=runner.device,
    )
    tokens = Tokens(runner.max_num_tokens, device=runner.device)
    armed = list(ffn.install(ffns, tables, tokens))
    if not armed:
        raise EngineError("the profiles' capacity leaves no layer to edit")
    setattr(runner, ATTRIBUTE, Batch(tables, tokens))


def _refuse_unsupported(runner: Any) -> None:
    parallel = runner.vllm_config.parallel_config
    if getattr(parallel, "enable_dbo", False) or getattr(parallel, "use_ubatching", False):
        raise EngineError("dual batch overlap re-slices tokens; start without --enable-dbo")
    if getattr(parallel, "prefill_context_parallel_size", 1) > 1:
        raise EngineError("prefill context parallelism re-slices tokens; start without it")
    if getattr(runner.vllm_config.cache_config, "kv_sharing_fast_prefill", False):
        raise EngineError(
            "fast prefill drops tokens in later layers; start without --kv-sharing-fast-prefill"
        )
    if runner.is_pooling_model:
        raise EngineError("a pooling model generates no text to steer")


def install() -> None:
    """Patches P2 to P5 (PATCHES.md)."""
    from vllm.v1.worker.cpu_model_runner import CPUModelRunner
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    def after_load(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def load_model(self: Any, *args: Any, **kwargs: Any) -> Any:
            result = original(self, *args, **kwargs)
            arm(self)
            return result

        return load_model

    def after_update(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def _update_states(self: Any, scheduler_output: Any) -> Any:
            result = original(self, scheduler_output)
            if batch := getattr(self, ATTRIBUTE, None):
                batch.update(
                    scheduler_output.finished_req_ids,
                    {
                        request_id: getattr(
                            self.requests[request_id].sampling_params, "extra_args", None
                        )
                        for request_id in self.input_batch.req_ids
                    },
                )
            return result

        return _update_states

    def after_prepare(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def _prepare_inputs(
            self: Any, scheduler_output: Any, num_scheduled_tokens: Any, *args: Any, **kwargs: Any
        ) -> Any:
            result = original(self, scheduler_output, num_scheduled_tokens, *args, **kwargs)
            if batch := getattr(self, ATTRIBUTE, None):
                inputs = self.input_batch
                batch.fill(
                    inputs.req_ids,
                    num_scheduled_tokens,
                    inputs.num_computed_tokens_cpu,
                    inputs.num_prompt_tokens,
                )
            return result

        return _prepare_inputs

    def before_dummy(original: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(original)
        def _dummy_run(self: Any, *args: Any, **kwargs: Any) -> Any:
            if batch := getattr(self, ATTRIBUTE, None):
                batch.tokens.clear()
            return original(self, *args, **kwargs)

        return _dummy_run

    GPUModelRunner.load_model = after_load(GPUModelRunner.load_model)
    CPUModelRunner.load_model = after_load(CPUModelRunner.load_model)
    GPUModelRunner._update_states = after_update(GPUModelRunner._update_states)
    GPUModelRunner._prepare_inputs = after_prepare(GPUModelRunner._prepare_inputs)
    GPUModelRunner._dummy_run = before_dummy(GPUModelRunner._dummy_run)
