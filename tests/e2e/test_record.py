"""Neurons read inside vLLM against neurons read by hooks on transformers, in float32."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiles.corpora.corpus import Corpus, read_corpus
from profiles.finding.activations import Activations, record
from profiles.models.model import LoadedModel, load_model

pytestmark = pytest.mark.e2e

SENTENCES = 5
ARRAYS = ("means", "token_mean", "token_std", "token_active", "output_mean")
# A process of its own: vLLM leaves threads, environment and workers behind in the one it ran in.
SCRIPT = """
import sys
import numpy as np
from pathlib import Path
from profiles.finding.activations import record_through
from steering.engine.record import VllmBackend
from tests.e2e.test_record import few_sentences, ARRAYS
from transformers import AutoTokenizer

if __name__ == "__main__":
    folder, out, workers = Path(sys.argv[1]), sys.argv[2], int(sys.argv[3])
    # Chunks far shorter than a sentence: sums must go on where the last chunk ended.
    options = {"max_num_seqs": 6, "max_num_batched_tokens": 16, "block_size": 32}
    backend = VllmBackend(folder, precision="fp32", workers=workers, options=options)
    found = record_through(backend, AutoTokenizer.from_pretrained(folder), few_sentences())
    np.savez(out, parts=str(found.parts), **{name: getattr(found, name) for name in ARRAYS})
"""


def few_sentences() -> Corpus:
    """Of three languages, in two batches of different width."""
    starter = read_corpus("starter", ["en", "de", "ja"])
    texts = {tag: tuple(lines[:SENTENCES]) for tag, lines in starter.texts.items()}
    return Corpus(source="a few", texts=texts)


def through_vllm(folder: Path, out: Path, workers: int = 1) -> dict[str, Any]:
    run = subprocess.run(
        [sys.executable, "-c", SCRIPT, str(folder), str(out), str(workers)],
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
        cwd=Path(__file__).parents[2],
        env={
            **os.environ,
            "PYTHONPATH": str(Path(__file__).parents[2]),
            "VLLM_CPU_KVCACHE_SPACE": "1",
            "VLLM_CPU_OMP_THREADS_BIND": "nobind",
            "VLLM_ENABLE_V1_MULTIPROCESSING": "0",
        },
    )
    assert run.returncode == 0, (run.stdout + run.stderr)[-4000:]
    with np.load(out) as found:
        return dict(found)


@pytest.fixture(scope="module")
def loaded(demo_folder: Path) -> LoadedModel:
    return load_model(demo_folder, "demo", "fp32")


@pytest.fixture(scope="module")
def plain(loaded: LoadedModel) -> Activations:
    return record(loaded, few_sentences())


def test_vllm_reads_what_hooks_on_transformers_read(
    demo_folder: Path, plain: Activations, tmp_path: Path
) -> None:
    found = through_vllm(demo_folder, tmp_path / "found.npz")
    assert str(found["parts"]) == str(plain.parts)
    for name in ARRAYS:
        ours, theirs = found[name], getattr(plain, name)
        assert ours.shape == theirs.shape
        if name == "token_active":
            # A gate within rounding of zero may fall on either side of it.
            assert (ours != theirs).mean() < 1e-3
            np.testing.assert_allclose(ours, theirs, atol=0.05)
        else:
            scale = np.abs(theirs).max()
            np.testing.assert_allclose(ours, theirs, rtol=1e-3, atol=1e-5 * scale, err_msg=name)
