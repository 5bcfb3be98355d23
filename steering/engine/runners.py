"""The model runners langsteer can steer with."""

from __future__ import annotations

from typing import Any

from steering.engine.runner import Runner
from steering.engine.runner_v1 import RunnerV1
from steering.engine.runner_v2 import RunnerV2

RUNNERS: tuple[Runner, ...] = (RunnerV1(), RunnerV2())


def why_not_armed(runner: Any, missing: dict[str, tuple[str, ...]]) -> str:
    """Why a worker's model runner is not steered, and what to do about it.

    Args:
        runner: the worker's model runner.
        missing: what this vLLM lacks, by name of the runner (`steering.plugin.install`).
    """
    named = f"{type(runner).__module__}.{type(runner).__qualname__}"
    kind = next((one for one in RUNNERS if not missing[one.name] and one.drives(runner)), None)
    if kind is not None:
        return (
            f"{named} was not armed: the langsteer plugin was not loaded in this worker before "
            "the model was (VLLM_PLUGINS)"
        )
    lacks = [
        f"for runner {one.name} {'; '.join(missing[one.name])}"
        for one in RUNNERS
        if missing[one.name]
    ]
    if lacks:
        hints = "; ".join(one.instead for one in RUNNERS if missing[one.name])
        return f"{named} cannot be steered. This vLLM lacks {', and '.join(lacks)}. {hints}"
    return f"{named} is none of the model runners langsteer knows"
