"""Each patch in PATCHES.md is still needed: the test of one that fails says that it may go."""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from steering import engine

pytest.importorskip("vllm", reason="vLLM is not installed")


def _source(function: Callable[..., Any]) -> str:
    """vLLM's own, whether it is patched in this process or not; without comments."""
    source = inspect.getsource(inspect.unwrap(function))
    return ast.unparse(ast.parse(textwrap.dedent(source)))


def p1() -> bool:
    """Blocks of requests that differ in their extra arguments have the same keys."""
    from vllm.v1.core import kv_cache_utils

    keys = _source(kv_cache_utils.generate_block_hash_extra_keys)
    own = inspect.unwrap(kv_cache_utils._gen_prompt_embeds_extra_hash_keys)
    return "extra_args" not in keys + _source(own) and not _has_a_place(keys)


def p2() -> bool:
    """Nobody is asked between loading and compiling."""
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    return not _has_a_place(_source(GPUModelRunner.load_model))


def p3() -> bool:
    """The CPU's runner loads by itself."""
    from vllm.v1.worker.cpu_model_runner import CPUModelRunner

    return "load_model" in vars(CPUModelRunner) and "super().load_model" not in _source(
        CPUModelRunner.load_model
    )


def p4() -> bool:
    """V1 tells nobody who joins and who leaves."""
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    source = _source(GPUModelRunner._update_states)
    return not _has_a_place(source) and "self.model_state." not in source


def p5() -> bool:
    """V1 tells nobody which tokens are whose."""
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    source = _source(GPUModelRunner._prepare_inputs)
    return not _has_a_place(source) and "self.model_state." not in source


def p6() -> bool:
    """V1 tells nobody that a pass serves no request."""
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    source = _source(GPUModelRunner._dummy_run)
    return not _has_a_place(source) and "self.model_state." not in source


def p7() -> bool:
    """Only a model can bring a model state of its own."""
    from vllm.v1.worker.gpu import model_states

    return not _has_a_place(_source(model_states.resolve_model_state_cls))


def p8() -> bool:
    """The core asks nobody about a request."""
    from vllm.v1.engine.core import EngineCore

    source = _source(EngineCore.add_request) + _source(EngineCore.preprocess_add_request)
    return not _has_a_place(source)


def p9() -> bool:
    """Calls to the workers pass by nobody else."""
    from vllm.v1.engine.core import EngineCore

    return not _has_a_place(_source(EngineCore.collective_rpc))


def _has_a_place(source: str) -> bool:
    """Whether vLLM calls somebody else there."""
    return bool(re.search(r"plugin|entry_point|\bhooks?\b|callbacks?\b", source))


NEEDED = {check.__name__.upper(): check for check in (p1, p2, p3, p4, p5, p6, p7, p8, p9)}


@pytest.mark.parametrize("name", NEEDED)
def test_it_is_still_needed(name: str) -> None:
    assert NEEDED[name](), f"{name} may be obsolete: see its last column in PATCHES.md"


def test_every_patch_is_listed() -> None:
    ledger = (Path(inspect.getfile(engine)).parent / "PATCHES.md").read_text()
    assert re.findall(r"^\| (P\d+) \|", ledger, re.MULTILINE) == list(NEEDED)


def test_a_place_for_others_would_be_noticed() -> None:
    assert _has_a_place("for callback in self.callbacks:\n    callback(model)")
    assert _has_a_place("run_plugin(self)")
    assert not _has_a_place("self.model = get_model(vllm_config=self.vllm_config)")
