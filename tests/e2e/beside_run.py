"""Engines that use more of vLLM than steering, one after another: `python beside_run.py SPEC OUT`.

SPEC is JSON {"runner": "v1" or "v2", "stock": bool, "cases": {name: {"engine": {LLM arguments},
"profiles": [files], "adapters": [folders], "steps": [...]}}}. A step is one of
{"ask": [{"prompt", "tokens", "steering" or null, "adapter": index or null}], "fresh": bool},
{"call": a worker's method, "with": {its arguments}}, {"nap": level} (sleep and wake up),
{"look": null} (where the edits are). OUT gets, by name, what came of each step; or {"error": …}.

Stock vLLM asks the same without steering, and skips "look".
"""

from __future__ import annotations

import hashlib
import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import in_process  # beside this file


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    in_process.prepare(spec["runner"], "" if spec["stock"] else "langsteer")
    steered = partial(run, steered=not spec["stock"])
    in_process.one_by_one(spec["cases"], steered, Path(sys.argv[2]))


def run(case: dict[str, Any], *, steered: bool) -> dict[str, Any]:
    from vllm import LLM

    options = dict(case["engine"])
    if steered:
        from profiles import store

        options |= in_process.armed([store.read(Path(path)) for path in case["profiles"]])
    llm = LLM(**options)
    for path in case["profiles"] if steered else ():
        (said,) = llm.collective_rpc("langsteer_load", args=(Path(path).read_bytes(),))
        assert "hash" in said, said
    steps = [step(llm, one, case, steered) for one in case["steps"]]
    return {"steps": steps, "runner": llm.collective_rpc(runner_of)[0]}


def step(llm: Any, one: dict[str, Any], case: dict[str, Any], steered: bool) -> Any:
    if "ask" in one:
        if one.get("fresh", True):
            assert llm.reset_prefix_cache()
        return ask(llm, one["ask"], case.get("adapters", []), steered)
    if "call" in one:
        return llm.collective_rpc(one["call"], kwargs=one.get("with", {}))
    if "nap" in one:
        llm.sleep(one["nap"])
        llm.wake_up()
        return None
    if "deep sleep" in one:
        return llm.collective_rpc(deep_sleep)
    return llm.collective_rpc(look)[0] if steered else None


def ask(
    llm: Any, requests: list[dict[str, Any]], adapters: list[str], steered: bool
) -> list[dict[str, Any]]:
    from vllm.lora.request import LoRARequest

    params, loras = [], []
    for request in requests:
        steering = request["steering"] if steered else None
        params.append(in_process.greedy(request["tokens"], steering))
        at = request.get("adapter")
        loras.append(None if at is None else LoRARequest(str(at), at + 1, adapters[at]))
    outputs = llm.generate(
        [{"prompt_token_ids": request["prompt"]} for request in requests],
        params,
        use_tqdm=False,
        lora_request=loras if adapters else None,
    )
    return [in_process.answer(output) for output in outputs]


def runner_of(worker: Any) -> str:
    return type(worker.model_runner).__module__


def in_tables(batch: Any) -> dict[str, Any]:
    """Every tensor of the batch's tables, the bank of memories among them."""
    bank = batch.tables.bank
    kept = {
        f"{kind} {layer}.{name}": tensor
        for kind, layers in (("neurons", batch.tables.layers), ("memories", bank.layers))
        for layer, one in layers.items()
        for name, tensor in vars(one).items()
        if tensor is not None
    }
    return {**kept, "on": bank.on}


def look(worker: Any) -> dict[str, Any]:
    """Where the edits are in the worker's model, and what is in its tables."""
    from steering.engine.arming import batch_of
    from steering.engine.steered_activation import SteeredActivation
    from steering.engine.steered_output import SteeredOutput

    model = worker.model_runner.get_model()
    batch = batch_of(model)
    assert batch is not None
    modules = dict(model.named_modules())
    tables = in_tables(batch)
    ours = [*tables.values(), batch.tokens.row, batch.tokens.strength]
    held = {id(buffer) for buffer in model.buffers()}
    digest = hashlib.sha256()
    for tensor in tables.values():
        digest.update(tensor.numpy().tobytes())
    return {
        "activations": [n for n, m in modules.items() if isinstance(m, SteeredActivation)],
        "outputs": [
            name
            for name, module in modules.items()
            if isinstance(getattr(module.forward, "func", None), SteeredOutput)
        ],
        "not buffers of the model": sum(id(tensor) not in held for tensor in ours),
        "not persistent": not any("langsteer" in name for name in model.state_dict()),
        "tables": digest.hexdigest(),
        "rows in use": batch.slots.in_use,
    }


def deep_sleep(worker: Any) -> None:
    """Level 2 of the GPU worker's own sleep on this CPU worker: every tensor loses its contents.

    Only what frees and maps GPU memory is replaced, by overwriting all of the model's memory.
    """
    from unittest import mock

    import torch
    from vllm.device_allocator.sleep_mode_backend import SleepModeBackend
    from vllm.v1.worker.gpu_worker import Worker

    worker = getattr(worker, "worker", worker)  # its own attributes, not the wrapper's
    model = worker.model_runner.get_model()

    class Forgetful(SleepModeBackend):
        def suspend(self, level: int = 1) -> None:
            assert level == 2
            batch = getattr(model, "langsteer_batch", None)
            lost = [*model.parameters(), *model.buffers()]
            if batch is not None:  # found from the tables' side too, registered or not
                lost += [batch.tokens.row, batch.tokens.strength, *in_tables(batch).values()]
            for tensor in lost:
                tensor.data.fill_(77)

        def resume(self, tags: list[str] | None = None) -> None:
            """The memory is mapped again, with nothing in it."""

    worker._sleep_mode_backend = Forgetful()
    with (
        mock.patch.object(torch.accelerator, "synchronize"),
        mock.patch.object(torch.accelerator, "get_memory_info", return_value=(0, 1)),
        mock.patch.object(type(worker), "synchronize_device", create=True),
    ):
        Worker.sleep(worker, 2)
        Worker.wake_up(worker, ["weights"])
        worker.reload_weights()  # what vLLM asks for after this level
        Worker.wake_up(worker, ["kv_cache"])


if __name__ == "__main__":
    main()
