"""The seam into vLLM's V2 model runner (the default on GPUs)."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import Any

from steering.engine.arming import arm, wanted
from steering.engine.compat import absent, lacking
from steering.errors import EngineError
from steering.parts import History


class RunnerV2:
    """The `Runner` V2: it asks a `ModelState` object at every turn, and gets one of ours."""

    name = "V2"
    instead = "VLLM_USE_V2_MODEL_RUNNER=0 chooses V1"

    def missing(self) -> list[str]:
        """See `Runner`."""
        try:
            from vllm.v1.core.sched.output import NewRequestData
            from vllm.v1.worker.gpu import model_states
            from vllm.v1.worker.gpu.input_batch import InputBatch
            from vllm.v1.worker.gpu.model_runner import GPUModelRunner
            from vllm.v1.worker.gpu.model_states.interface import ModelState
            from vllm.v1.worker.gpu.states import RequestState
        except ImportError as error:
            return [f"vLLM's V2 model runner cannot be imported ({error})"]
        out = [
            *lacking(model_states, "resolve_model_state_cls", ["vllm_config", "model"]),
            *lacking(GPUModelRunner, "get_model", ["self"]),
            *lacking(
                ModelState, "__init__", ["self", "vllm_config", "model", "encoder_cache", "device"]
            ),
            *lacking(ModelState, "add_request", ["self", "req_index", "new_req_data"]),
            *lacking(ModelState, "remove_request", ["self", "req_id"]),
            *lacking(ModelState, "prepare_inputs", ["self", "input_batch", "req_states"]),
            *lacking(ModelState, "prepare_dummy_inputs", ["self", "num_reqs", "num_tokens"]),
            *absent(
                NewRequestData,
                ["req_id", "sampling_params", "prompt_token_ids", "prefill_token_ids"],
            ),
            *absent(
                InputBatch,
                [
                    "req_ids",
                    "idx_mapping_np",
                    "num_scheduled_tokens",
                    "num_computed_tokens_np",
                    "num_tokens",
                    "input_ids",
                ],
            ),
            *absent(RequestState, ["prompt_len"]),
        ]
        # The patch takes effect only where the resolver is looked up when it is called.
        if "resolve_model_state_cls" not in model_states.init_model_state.__code__.co_names:
            out.append("init_model_state no longer calls resolve_model_state_cls")
        return out

    def install(self) -> None:
        """Patch P7 (PATCHES.md): model states of steered engines are ours."""
        from vllm.v1.worker.gpu import model_states

        original = model_states.resolve_model_state_cls

        @functools.wraps(original)
        def resolve_model_state_cls(vllm_config: Any, model: Any) -> type:
            state: type = original(vllm_config, model)
            return steered(state) if wanted(vllm_config) else state

        model_states.resolve_model_state_cls = resolve_model_state_cls

    def drives(self, runner: Any) -> bool:
        """See `Runner`."""
        from vllm.v1.worker.gpu.model_runner import GPUModelRunner

        return isinstance(runner, GPUModelRunner)


def _history(new: Any) -> History:
    """The tokens of a request that joins; after a preemption some are generated."""

    def tokens() -> tuple[Sequence[int] | None, Sequence[int]]:
        prompt = new.prompt_token_ids
        return prompt, (new.prefill_token_ids or ())[len(prompt or ()) :]

    return tokens


def steered(state: type) -> type:
    """A subclass of the `ModelState` that also keeps langsteer's batch up to date."""
    base: Any = state

    class Steered(base):
        def __init__(self, vllm_config: Any, model: Any, encoder_cache: Any, device: Any) -> None:
            super().__init__(vllm_config, model, encoder_cache, device)
            if getattr(self, "num_new_sampled_tokens_per_step", 1) != 1:
                raise EngineError(
                    f"{type(model).__name__} writes several tokens at once; langsteer steers "
                    "models that write one after the other"
                )
            # Weights are there, nothing is compiled or captured yet.
            self.langsteer = arm(vllm_config, model, device)

        def add_request(self, req_index: int, new_req_data: Any) -> None:
            super().add_request(req_index, new_req_data)
            extra_args = getattr(new_req_data.sampling_params, "extra_args", None)
            self.langsteer.add(new_req_data.req_id, extra_args, _history(new_req_data))

        def remove_request(self, req_id: str) -> None:
            # Called for preempted requests too, and before any `add_request` of that id.
            super().remove_request(req_id)
            self.langsteer.remove(req_id)

        def prepare_inputs(self, input_batch: Any, req_states: Any) -> dict[str, Any]:
            inputs: dict[str, Any] = super().prepare_inputs(input_batch, req_states)
            scheduled = input_batch.num_scheduled_tokens
            # Profiling and warm-up batches carry made-up ids, of which none was added.
            if not any(request_id in self.langsteer for request_id in input_batch.req_ids):
                self.langsteer.clear()
                return inputs
            if int(scheduled.sum()) != input_batch.num_tokens:
                raise EngineError(
                    f"the step has {input_batch.num_tokens} tokens, its requests "
                    f"{int(scheduled.sum())}: their places are known on the device only"
                )
            # How far a request is may be an upper bound while drafts are being verified. That
            # happens after the prompt only, where every position is edited anyway.
            self.langsteer.fill(
                input_batch.req_ids,
                scheduled,
                input_batch.num_computed_tokens_np,
                # Not the prefill's length, which counts generated tokens after a preemption.
                req_states.prompt_len.np[input_batch.idx_mapping_np],
                # What was sampled last is in them already; the host does not have it.
                input_batch.input_ids,
            )
            return inputs

        def prepare_dummy_inputs(self, num_reqs: int, num_tokens: int) -> dict[str, Any]:
            # Graphs are captured after this, and must hold the edit.
            self.langsteer.clear()
            inputs: dict[str, Any] = super().prepare_dummy_inputs(num_reqs, num_tokens)
            return inputs

    Steered.__name__ = Steered.__qualname__ = f"Steered{state.__name__}"
    return Steered
