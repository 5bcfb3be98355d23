"""One tiny model after another in one process: `python families_run.py SPEC OUT`.

SPEC is JSON {"engine": {LLM arguments}, "models": {name: {"folder": …, "profiles": [files],
"refused": [files]}}, "prompt": [ids], "tokens": n, "strength": x}. OUT gets, by name, the answers
to one batch, unsteered and towards each profile, and why each of "refused" was not loaded:
{"answers": [{"tokens", "logprobs"}], "refused": [text]}; or {"error": why vLLM or langsteer
refused the model}.
"""

from __future__ import annotations

import gc
import json
import sys
import traceback
from pathlib import Path
from typing import Any

import in_process  # beside this file


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    in_process.prepare()
    from vllm.distributed import cleanup_dist_env_and_memory

    out: dict[str, Any] = {}
    for name, model in spec["models"].items():
        try:
            out[name] = answers(spec, model)
        except Exception as error:  # noqa: BLE001
            traceback.print_exc()
            out[name] = {"error": f"{type(error).__name__}: {error}"}
        gc.collect()
        cleanup_dist_env_and_memory()
        Path(sys.argv[2]).write_text(json.dumps(out))


def answers(spec: dict[str, Any], model: dict[str, Any]) -> dict[str, Any]:
    from vllm import LLM, SamplingParams

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
    params = [
        SamplingParams(
            temperature=0.0,
            max_tokens=spec["tokens"],
            ignore_eos=True,
            logprobs=3,
            detokenize=False,
            extra_args=request.to_extra_args() if request else None,
        )
        for request in asked
    ]
    outputs = llm.generate(
        [{"prompt_token_ids": spec["prompt"]}] * len(asked), params, use_tqdm=False
    )
    return {
        "answers": [
            {
                "tokens": list(output.outputs[0].token_ids),
                "logprobs": [
                    {str(token): entry.logprob for token, entry in step.items()}
                    for step in output.outputs[0].logprobs
                ],
            }
            for output in outputs
        ],
        "refused": refused,
    }


if __name__ == "__main__":
    main()
