"""The seam into vLLM's V1 model runner (GPU and CPU)."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any

from steering.engine.arming import arm, batch_of, wanted
from steering.engine.compat import absent, lacking
from steering.parts import History


class RunnerV1:
    """The `Runner` V1: methods of its class are wrapped, since it calls nobody."""

    name = "V1"
    instead = "VLLM_USE_V2_MODEL_RUNNER=1 chooses V2 where the device has Triton"

    def missing(self) -> list[str]:
        """See `Runner`."""
        try:
            from vllm.v1.worker.cpu_model_runner import CPUModelRunner
            from vllm.v1.worker.gpu_input_batch import CachedRequestState
            from vllm.v1.worker.gpu_model_runner import GPUModelRunner
        except ImportError as error:
            return [f"vLLM's V1 model runner cannot be imported ({error})"]
        return [
            *lacking(GPUModelRunner, "load_model", ["self"]),
            *lacking(CPUModelRunner, "load_model", ["self"]),
            *lacking(GPUModelRunner, "get_model", ["self"]),
            *lacking(GPUModelRunner, "_update_states", ["self", "scheduler_output"]),
            *lacking(
                GPUModelRunner,
                "_prepare_inputs",
                ["self", "scheduler_output", "num_scheduled_tokens"],
            ),
            *lacking(GPUModelRunner, "_dummy_run", ["self", "num_tokens"]),
            *absent(GPUModelRunner, ["requests", "input_ids"]),
            *absent(CachedRequestState, ["prompt_token_ids", "output_token_ids"]),
        ]

    def install(self) -> None:
        """Patches P2 to P6 (PATCHES.md)."""
        from vllm.v1.worker.cpu_model_runner import CPUModelRunner
        from vllm.v1.worker.gpu_model_runner import GPUModelRunner

        GPUModelRunner.load_model = _after_load(GPUModelRunner.load_model)
        CPUModelRunner.load_model = _after_load(CPUModelRunner.load_model)
        GPUModelRunner._update_states = _after_update(GPUModelRunner._update_states)
        GPUModelRunner._prepare_inputs = _after_prepare(GPUModelRunner._prepare_inputs)
        GPUModelRunner._dummy_run = _before_dummy(GPUModelRunner._dummy_run)

    def drives(self, runner: Any) -> bool:
        """See `Runner`."""
        from vllm.v1.worker.gpu_model_runner import GPUModelRunner

        return isinstance(runner, GPUModelRunner)


def _after_load(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def load_model(self: Any, *args: Any, **kwargs: Any) -> Any:
        result = original(self, *args, **kwargs)
        if wanted(self.vllm_config):
            arm(self.vllm_config, self.get_model(), self.device)
        return result

    return load_model


def _after_update(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def _update_states(self: Any, scheduler_output: Any) -> Any:
        result = original(self, scheduler_output)
        if batch := batch_of(self.get_model()):
            batch.update(
                scheduler_output.finished_req_ids,
                {
                    request_id: getattr(
                        self.requests[request_id].sampling_params, "extra_args", None
                    )
                    for request_id in self.input_batch.req_ids
                },
                partial(_history, self.requests),
            )
        return result

    return _update_states


def _history(requests: Mapping[str, Any], request_id: str) -> History:
    """A request's tokens, as the runner keeps them."""

    def tokens() -> tuple[Sequence[int] | None, Sequence[int]]:
        request = requests[request_id]
        return request.prompt_token_ids, request.output_token_ids

    return tokens


def _after_prepare(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def _prepare_inputs(
        self: Any, scheduler_output: Any, num_scheduled_tokens: Any, *args: Any, **kwargs: Any
    ) -> Any:
        result = original(self, scheduler_output, num_scheduled_tokens, *args, **kwargs)
        if batch := batch_of(self.get_model()):
            inputs = self.input_batch
            batch.fill(
                inputs.req_ids,
                num_scheduled_tokens,
                inputs.num_computed_tokens_cpu,
                inputs.num_prompt_tokens,
                # What was sampled last is in them already, also where the host does not have it.
                self.input_ids.gpu,
            )
        return result

    return _prepare_inputs


def _before_dummy(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def _dummy_run(self: Any, *args: Any, **kwargs: Any) -> Any:
        if batch := batch_of(self.get_model()):
            batch.clear()
        return original(self, *args, **kwargs)

    return _dummy_run
