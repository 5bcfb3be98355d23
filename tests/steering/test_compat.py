"""The seams langsteer patches, in the vLLM that is installed."""

from __future__ import annotations

from typing import Any

import pytest

from steering.engine.compat import missing_seams

pytest.importorskip("vllm", reason="vLLM is not installed")


def test_the_installed_vllm_has_every_seam() -> None:
    assert missing_seams() == []


def test_a_seam_that_moved_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    from vllm.v1.core import kv_cache_utils
    from vllm.v1.worker.gpu_model_runner import GPUModelRunner

    def other(self: Any, batch: Any) -> None:
        """Not the signature the patch needs."""

    monkeypatch.setattr(GPUModelRunner, "_prepare_inputs", other)
    monkeypatch.delattr(kv_cache_utils, "_gen_prompt_embeds_extra_hash_keys")
    said = "; ".join(missing_seams())
    assert "other no longer begins with (self, scheduler_output, num_scheduled_tokens)" in said
    assert "_gen_prompt_embeds_extra_hash_keys is gone" in said
