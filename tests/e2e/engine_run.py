"""Run batches of requests on one vLLM engine in this process: `python engine_run.py SPEC OUT`.

Each engine under test gets a process of its own, so that "stock vLLM" is vLLM in a process
in which langsteer's plugin was never loaded.

SPEC is JSON: {"engine": {LLM arguments}, "profiles": [files] or null for stock vLLM,
"runner": see in_process.py, "markers": [start, end] of reasoning or null,
"batches": [{"requests": [{"prompt": [ids], "tokens": n, "steering": {...} or null, "after": i}],
"fresh_cache": bool}]}. With "after", the prompt is batch i's only prompt, its answer, and then
"prompt": the next turn of a conversation. OUT gets {"batches": [[{"prompt", "tokens",
"logprobs", "cached"}]], "facts": {...}, "runner": its module, "async": whether steps overlap,
"preemptions": how many, "steps": how many, "workers": how many}.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import in_process  # beside this file


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    steered = spec["profiles"] is not None
    in_process.prepare(spec["runner"], "langsteer" if steered else "")
    from vllm import LLM

    seen = in_process.watch()
    options = dict(spec["engine"])
    if steered:
        from profiles import store

        profiles = [store.read(Path(path)) for path in spec["profiles"]]
        options |= in_process.armed(profiles, headroom=16)
    if spec.get("markers"):
        options |= in_process.marked(*spec["markers"])
    llm = LLM(**options)
    for path in spec["profiles"] or []:
        answers = llm.collective_rpc("langsteer_load", args=(Path(path).read_bytes(),))
        assert len({answer.get("hash") for answer in answers} - {None}) == 1, answers
    out: dict[str, Any] = {"batches": []}
    for batch in spec["batches"]:
        out["batches"].append(run(llm, batch, out["batches"]))
    out["runner"] = llm.collective_rpc(_runner)[0]
    out["steps"] = seen["steps"]
    out["async"] = llm.llm_engine.vllm_config.scheduler_config.async_scheduling
    out["preemptions"] = seen["preempted"]
    out["plugin_loaded"] = any(name.startswith("steering") for name in sys.modules)
    if steered:
        # An empty step carries the last requests' end to the worker.
        llm.llm_engine.step()
        facts = llm.collective_rpc("langsteer_facts")
        out["facts"], out["workers"] = facts[0], len(facts)
        # Ranks never talk about rows: that they agree is what makes it work.
        assert all(each == facts[0] for each in facts), facts
        layouts = llm.collective_rpc(_layout)
        assert layouts[0]
        assert all(each == layouts[0] for each in layouts), layouts
    Path(sys.argv[2]).write_text(json.dumps(out))


def _layout(worker: Any) -> dict[str, int]:
    """Row of each combination that is composed."""
    from steering.engine.arming import batch_of

    batch = batch_of(worker.model_runner.get_model())
    assert batch
    return {repr(combination): row for combination, row in batch.slots._row_of.items()}


def _runner(worker: Any) -> str:
    return type(worker.model_runner).__module__


def run(
    llm: Any, batch: dict[str, Any], earlier: list[list[dict[str, Any]]]
) -> list[dict[str, Any]]:
    if batch["fresh_cache"]:
        assert llm.reset_prefix_cache()
    params = [
        in_process.greedy(request["tokens"], request["steering"], detokenize=True)
        for request in batch["requests"]
    ]
    prompts = []
    for request in batch["requests"]:
        ids = request["prompt"]
        if (after := request.get("after")) is not None:
            (turn,) = earlier[after]
            ids = turn["prompt"] + turn["tokens"] + ids
        prompts.append({"prompt_token_ids": ids})
    outputs = llm.generate(prompts, params, use_tqdm=False)
    return [
        {"prompt": list(output.prompt_token_ids), **in_process.answer(output)} for output in outputs
    ]


if __name__ == "__main__":
    main()
