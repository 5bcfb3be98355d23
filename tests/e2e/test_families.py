"""Every family of dense models, tiny and random: steered by vLLM as by transformers with hooks."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from profiles.models.fingerprint import fingerprint
from profiles.profile import Profile
from tests.e2e.conftest import HERE, save_all, synthetic
from tests.e2e.reference import Reference
from tests.tiny_model import SIZES, save_model

pytestmark = pytest.mark.e2e

TOKENS = 8
STRENGTH = 2.0
TOLERANCE = 1e-4  # float32 on both sides
# vLLM approximates BLOOM's activation, without steering too.
LOOSER = {"Bloom": 2e-3}
PROMPT = [2, *range(40, 60)]
TIED = {**SIZES, "tie_word_embeddings": True}
SQUARE = {**SIZES, "num_key_value_heads": 2}
OLD = {"n_embd": 64, "n_layer": 3, "n_head": 2, "n_positions": 256, "initializer_range": 0.15}
MLP = "mlp.down_proj"
# Family: its configuration, where its decoder layers are, and the down projection in one.
FAMILIES: dict[str, tuple[dict[str, Any], str, str]] = {
    "Llama": (SIZES, "model.layers", MLP),
    "Qwen2": (SIZES, "model.layers", MLP),
    "Qwen3": (SIZES, "model.layers", MLP),
    "Gemma": (SIZES, "model.layers", MLP),
    "Gemma2": (TIED, "model.layers", MLP),
    "Gemma3Text": (SIZES, "model.layers", MLP),
    "Mistral": (SIZES, "model.layers", MLP),
    "Phi3": (SIZES, "model.layers", MLP),
    "Phi": (SQUARE, "model.layers", "mlp.fc2"),
    "Olmo": (SIZES, "model.layers", MLP),
    "Olmo2": (SIZES, "model.layers", MLP),
    "Granite": (SIZES, "model.layers", MLP),
    "Cohere": (TIED, "model.layers", MLP),
    "StableLm": (SIZES, "model.layers", MLP),
    "Starcoder2": (SIZES, "model.layers", "mlp.c_proj"),
    "GPT2": (OLD, "transformer.h", "mlp.c_proj"),
    "GPTJ": (OLD | {"rotary_dim": 32}, "transformer.h", "mlp.fc_out"),
    "GPTNeoX": (SQUARE, "gpt_neox.layers", "mlp.dense_4h_to_h"),
    "Bloom": (
        {"hidden_size": 64, "n_layer": 3, "n_head": 2, "initializer_range": 0.15},
        "transformer.h",
        "mlp.dense_4h_to_h",
    ),
    "OPT": (
        SIZES | {"ffn_dim": 160, "word_embed_proj_dim": 64},
        "model.decoder.layers",
        "fc2",
    ),
}
SPARSE = {"Mixtral": SIZES | {"num_local_experts": 4}}


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[Profile]]]:
    """Of each family a model and three profiles: neurons, offsets, both."""
    out = {}
    configs = {name: config for name, (config, _, _) in FAMILIES.items()} | SPARSE
    for name, config in configs.items():
        folder = save_model(tmp_path_factory.mktemp(name), name, **config)
        identity = fingerprint(folder)
        profiles = [
            synthetic(identity, language, seed, kinds=kinds)
            for seed, (language, kinds) in enumerate({"de": "n", "ja": "o", "zh": "no"}.items())
        ]
        out[name] = (folder, profiles)
    return out


@pytest.fixture(scope="module")
def answered(
    made: dict[str, tuple[Path, list[Profile]]], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Any]:
    where = tmp_path_factory.mktemp("families")
    models = {}
    for name, (folder, profiles) in made.items():
        files = where / name
        files.mkdir()
        save_all({profile.language: profile for profile in profiles}, files)
        models[name] = {
            "folder": str(folder),
            "profiles": [str(files / f"{profile.language}.safetensors") for profile in profiles],
        }
    spec = {
        "engine": {
            "dtype": "float32",
            "max_model_len": 128,
            "max_num_seqs": 4,
            "block_size": 32,
            "enforce_eager": True,
            "skip_tokenizer_init": True,
        },
        "models": models,
        "prompt": PROMPT,
        "tokens": TOKENS,
        "strength": STRENGTH,
    }
    (where / "spec.json").write_text(json.dumps(spec))
    with (where / "log").open("w") as stream:
        done = subprocess.run(
            [sys.executable, HERE / "families_run.py", where / "spec.json", where / "out.json"],
            stdout=stream,
            stderr=subprocess.STDOUT,
            timeout=1200,
            env={**os.environ, "VLLM_CPU_OMP_THREADS_BIND": "nobind", "OMP_NUM_THREADS": "1"},
            check=False,
        )
    assert done.returncode == 0, (where / "log").read_text()[-4000:]
    result: dict[str, Any] = json.loads((where / "out.json").read_text())
    return result


@pytest.mark.parametrize("name", FAMILIES)
def test_steered_as_transformers_with_hooks(
    name: str, answered: dict[str, Any], made: dict[str, tuple[Path, list[Profile]]]
) -> None:
    assert "error" not in answered[name], answered[name]["error"]
    folder, profiles = made[name]
    _, layers, down = FAMILIES[name]
    reference = Reference(str(folder), layers=layers, down=down)
    tolerance = LOOSER.get(name, TOLERANCE)
    plain = answered[name]["answers"][0]["logprobs"][0]
    for answer, edit in zip(
        answered[name]["answers"], [None, *(p.target for p in profiles)], strict=True
    ):
        tokens, logprobs = reference.greedy(PROMPT, TOKENS, edit, strength=STRENGTH)
        assert answer["tokens"] == tokens
        ours = [step[str(token)] for step, token in zip(answer["logprobs"], tokens, strict=True)]
        assert ours == pytest.approx(logprobs, abs=tolerance)
        if edit is not None:
            assert answer["logprobs"][0] != pytest.approx(plain, abs=10 * tolerance)


@pytest.mark.parametrize("name", SPARSE)
def test_a_mixture_of_experts_is_refused_by_name(name: str, answered: dict[str, Any]) -> None:
    assert "is a mixture of experts" in answered[name]["error"]
    assert name in answered[name]["error"]
