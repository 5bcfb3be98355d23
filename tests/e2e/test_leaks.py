"""Nothing of one request reaches another: random traffic on real engines, see leak_run.py.

The long run is `LANGSTEER_HISTORIES=200 pytest tests/e2e/test_leaks.py`.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import pytest

from profiles.models.fingerprint import fingerprint
from tests.e2e.child import run_script
from tests.e2e.conftest import save_all, synthetic
from tests.tiny_model import SIZES, save_model

pytestmark = pytest.mark.e2e

HISTORIES = int(os.environ.get("LANGSTEER_HISTORIES", "12"))
# V2 in Triton's interpreter is slow.
SHARE = {"v1": 1.0, "v2": 0.25, "v2-async": 0.25}


@pytest.mark.parametrize("runner", SHARE)
def test_every_request_is_answered_as_if_it_were_alone(runner: str, tmp_path: Path) -> None:
    examples = max(1, round(SHARE[runner] * HISTORIES))
    model = save_model(tmp_path / "model", **SIZES)
    identity = fingerprint(model)
    kinds = {"de": "n", "ja": "o", "zh": "nom", "fr": "om"}
    made = {
        language: synthetic(identity, language, seed, kinds=kind)
        for seed, (language, kind) in enumerate(kinds.items())
    }
    folder = tmp_path / "profiles"
    folder.mkdir()
    save_all(made, folder)
    spec = {
        "engine": {
            "model": str(model),
            "dtype": "float32",
            "max_model_len": 192,
            "max_num_seqs": 5,
            "max_num_batched_tokens": 48,
            "block_size": 32,
            "enforce_eager": True,
            # Five requests of up to 160 tokens would need 25.
            "num_gpu_blocks_override": 10,
            "skip_tokenizer_init": True,
        },
        "profiles": sorted(str(path) for path in folder.glob("*.safetensors")),
        "examples": examples,
        "seed": 0,
        "runner": runner,
        "vocabulary": 259,
    }
    result: dict[str, Any] = run_script("leak_run.py", spec, tmp_path, timeout=3000)
    counts = result["counts"]
    print(runner, counts)
    module = "cpu_model_runner" if runner == "v1" else "cpu.model_runner"
    assert result["runner"] == f"vllm.v1.worker.{module}"
    assert counts["histories"] >= examples
    # That nothing differed means little unless all of it happened.
    for event in ("turns", "cancelled", "cached", "preempted", "loads", "unloads", "kept"):
        assert counts.get(event, 0) > 0, counts
    assert counts["compared"] >= 5 * examples
    # Of the few histories on V2, too.
    assert counts["compared steered"] > counts["compared"] / (3 if runner == "v1" else 4)
