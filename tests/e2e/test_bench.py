"""`langsteer bench` with three real engines, of a tiny random model."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from profiles import store
from profiles.models.fingerprint import fingerprint
from tests.e2e.conftest import synthetic
from tests.tiny_model import SIZES, save_model

pytestmark = pytest.mark.e2e


@pytest.fixture(scope="module")
def where(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """A model, and a folder of two profiles of it."""
    folder = save_model(tmp_path_factory.mktemp("bench-model"), **SIZES)
    profiles = tmp_path_factory.mktemp("bench-profiles")
    for seed, language in enumerate(("de", "zh")):
        made = synthetic(fingerprint(folder), language, seed, kinds="no")
        store.save(made, profiles)
    return folder, profiles


def bench(where: tuple[Path, Path], *options: str) -> subprocess.CompletedProcess[str]:
    folder, profiles = where
    command = [str(Path(sys.executable).with_name("langsteer")), "bench", str(folder)]
    environment = {**os.environ, "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_LOGGING_LEVEL": "WARNING"}
    return subprocess.run(
        [*command, "--profiles", str(profiles), *options],
        capture_output=True,
        text=True,
        env=environment,
        timeout=900,
        check=False,
    )


def test_every_arm_is_measured_against_stock(where: tuple[Path, Path], tmp_path: Path) -> None:
    done = bench(
        where,
        *("--rounds", "1", "--requests", "10", "--combinations", "8", "--workloads", "mixed"),
        *("--enforce-eager", "--max-num-seqs", "16", "--out", str(tmp_path), "--json"),
    )
    assert done.returncode == 0, done.stderr[-3000:]
    result: dict[str, Any] = json.loads(done.stdout)
    assert [row["arm"] for row in result["rows"]] == ["stock", "stock again", "idle", "one", "mix"]
    for row in result["rows"]:
        assert row["throughput"]["median"] > 0
        assert 0 < row["itl"]["median"] < row["ttft"]["median"] * 100
    assert result["compiled"] is False
    assert result["tables"]["rows"] == 17
    assert {*result["memory"]} == {"stock", "stock again", "steering"}
    assert json.loads((tmp_path / "bench.json").read_text()) == result
    assert (tmp_path / "bench.png").stat().st_size > 5000


def test_what_vllm_refuses_is_said(where: tuple[Path, Path]) -> None:
    done = bench(where, "--rounds", "1", "--no-such-option")
    assert done.returncode == 1
    assert "langsteer bench: the engine 'stock': vLLM refused its options" in done.stderr
    assert "--no-such-option" in done.stderr
