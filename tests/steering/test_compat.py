"""The seams langsteer patches, in the vLLM that is installed."""

from __future__ import annotations

from typing import Any

import pytest

from profiles import versions
from steering.engine import prefix_cache
from steering.engine.compat import TESTED
from steering.engine.runners import RUNNERS, why_not_armed

pytest.importorskip("vllm", reason="vLLM is not installed")

V1, V2 = RUNNERS


def test_the_installed_vllm_has_every_seam() -> None:
    assert prefix_cache.missing() == []
    assert {runner.name: runner.missing() for runner in RUNNERS} == {"V1": [], "V2": []}


def test_the_installed_vllm_is_a_tested_one() -> None:
    assert versions.vllm().partition("+")[0] in TESTED


def test_a_seam_that_moved_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.v1.core import kv_cache_utils
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    def other(self: Any, batch: Any) -> None:
        """Not the signature the patch needs."""

    monkeypatch.setattr(GPUModelRunner, "_prepare_inputs", other)
    monkeypatch.delattr(kv_cache_utils, "_gen_prompt_embeds_extra_hash_keys")
    said = "GPUModelRunner._prepare_inputs no longer begins with (self, scheduler_output, num_sch"
    assert said in "; ".join(V1.missing())
    assert "_gen_prompt_embeds_extra_hash_keys is gone" in "; ".join(prefix_cache.missing())
    assert V2.missing() == []


def test_what_v2_lost_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.v1.worker.gpu import model_states
    from vllm.v1.worker.gpu.input_batch import InputBatch
    from vllm.v1.worker.gpu.model_states.interface import ModelState

    fields = {k: v for k, v in InputBatch.__dataclass_fields__.items() if k != "idx_mapping_np"}
    monkeypatch.setattr(InputBatch, "__dataclass_fields__", fields)
    monkeypatch.delattr(ModelState, "remove_request")
    monkeypatch.setattr(model_states, "init_model_state", lambda config: None)
    assert V2.missing() == [
        "ModelState.remove_request is gone",
        "InputBatch.idx_mapping_np is gone",
        "init_model_state no longer calls resolve_model_state_cls",
    ]
    assert V1.missing() == []


def test_a_worker_that_is_not_armed_says_why() -> None:
    from vllm.v1.worker.gpu.model_runner import GPUModelRunner

    runner = GPUModelRunner.__new__(GPUModelRunner)
    assert "plugin was not loaded" in why_not_armed(runner, {"V1": (), "V2": ()})
    said = why_not_armed(runner, {"V1": (), "V2": ("ModelState.add_request is gone",)})
    assert "ModelState.add_request is gone" in said
    assert "VLLM_USE_V2_MODEL_RUNNER=0 chooses V1" in said
    assert "none of the model runners" in why_not_armed(object(), {"V1": (), "V2": ()})
