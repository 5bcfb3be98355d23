"""One tiny model after another in one process: `python families_run.py SPEC OUT`.

SPEC is JSON {"engine": {LLM arguments}, "models": {name: {"folder": …, "profiles": [files],
"refused": [files]}}, "prompt": [ids], "tokens": n, "strength": x}. OUT gets, by name, the answers
to one batch, unsteered and towards each profile, and why each of "refused" was not loaded:
{"answers": [{"tokens", "logprobs"}], "refused": [text]}; or {"error": why vLLM or langsteer
refused the model}.
"""

from __future__ import annotations

import json
import sys
from functools import partial
from pathlib import Path
from typing import Any

import in_process  # beside this file


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    in_process.prepare()
    in_process.one_by_one(spec["models"], partial(answers, spec), Path(sys.argv[2]))


def answers(spec: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    from vllm import LLM

    from profiles import store
    from steering.request import SteeringRequest

    profiles = [store.read(Path(path)) for path in model["profiles"]]
    llm = LLM(
        model=model["folder"],
        **spec["engine"],
        **in_process.armed([*profiles, *(store.read(Path(path)) for path in model["refused"])]),
    )
    refused = []
    for path in model["refused"]:
        (said,) = llm.collective_rpc("langsteer_load", args=(Path(path).read_bytes(),))
        refused.append(said.get("error"))
    for path in model["profiles"]:
        (said,) = llm.collective_rpc("langsteer_load", args=(Path(path).read_bytes(),))
        assert "hash" in said, said
    asked = [
        None,
        *(SteeringRequest(target=p.content_hash, strength=spec["strength"]) for p in profiles),
    ]
    params = [in_process.greedy(spec["tokens"], request) for request in asked]
    outputs = llm.generate(
        [{"prompt_token_ids": spec["prompt"]}] * len(asked), params, use_tqdm=False
    )
    return {
        "answers": [in_process.answer(output) for output in outputs],
        "refused": refused,
    }


if __name__ == "__main__":
    main()
