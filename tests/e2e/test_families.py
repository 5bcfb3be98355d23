"""Every family of models, tiny and random: steered by vLLM as by transformers with hooks."""

from __future__ import annotations

import re
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiles import store
from profiles.models.fingerprint import fingerprint
from profiles.profile import NeuronEdit, Profile
from tests.e2e.asks import batch, request
from tests.e2e.child import run_script
from tests.e2e.conftest import save_all, synthetic
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
FEW = {
    "num_experts": 4,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 96,
    "norm_topk_prob": True,
}
MLA = {
    **{key: value for key, value in SIZES.items() if key != "head_dim"},
    "num_key_value_heads": 2,
    "q_lora_rank": None,
    # The CPU's kernels of MLA take DeepSeek's own 512 + 64 and nothing smaller.
    "kv_lora_rank": 512,
    "qk_nope_head_dim": 32,
    "qk_rope_head_dim": 64,
    "v_head_dim": 32,
    "first_k_dense_replace": 1,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 96,
    "routed_scaling_factor": 2.5,
    "n_group": 1,
    "topk_group": 1,
    # As the real ones. With plain rotary embeddings vLLM's CPU kernel disagrees with transformers
    # before any edit, in models without experts too.
    "rope_parameters": {
        "rope_type": "yarn",
        "rope_theta": 10000.0,
        "factor": 4.0,
        "mscale": 1.0,
        "mscale_all_dim": 1.0,
        "beta_fast": 32,
        "beta_slow": 1,
        "original_max_position_embeddings": 128,
    },
}
ROUTING = {"topk_method": "noaux_tc", "scoring_func": "sigmoid", "norm_topk_prob": True}
# Mixtures of experts: configuration, decoder layers, the module in one whose output is the FFN's,
# and the layers that are dense.
MIXTURES: dict[str, tuple[dict[str, Any], str, str, list[int]]] = {
    "Mixtral": (SIZES | {"num_local_experts": 4}, "model.layers", "mlp", []),
    "Qwen2Moe": (SIZES | FEW | {"shared_expert_intermediate_size": 64}, "model.layers", "mlp", []),
    "Qwen3Moe": (SIZES | FEW | {"mlp_only_layers": [1]}, "model.layers", "mlp", [1]),
    "Olmoe": (
        SIZES | {"num_experts": 4, "num_experts_per_tok": 2, "num_key_value_heads": 2},
        "model.layers",
        "mlp",
        [],
    ),
    "GraniteMoe": (SIZES | {"num_local_experts": 4}, "model.layers", "block_sparse_moe", []),
    "DeepseekV2": (MLA, "model.layers", "mlp", [0]),
    "DeepseekV3": (MLA | ROUTING, "model.layers", "mlp", [0]),
}
# What a mixture of experts is added to is not one module's output.
REFUSED = {
    "GraniteMoeShared": (
        SIZES | {"num_local_experts": 4, "shared_intermediate_size": 96},
        r"two feed-forward modules in layer 0 \(.*block_sparse_moe, .*shared_mlp\)",
    )
}


# OPT has no FFN module whose input a memory's key could read.
WITHOUT_MEMORIES = ("OPT",)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, list[Profile]]]:
    """Of each family a model and profiles: neurons, offsets, all, memories."""
    out = {}
    configs = {name: made[0] for name, made in [*FAMILIES.items(), *MIXTURES.items()]}
    configs |= {name: config for name, (config, _) in REFUSED.items()}
    for name, config in configs.items():
        folder = save_model(tmp_path_factory.mktemp(name), name, **config)
        identity = fingerprint(folder)
        kinds = {"de": "n", "ja": "o", "zh": "nom", "ko": "m"}
        if name in WITHOUT_MEMORIES:
            kinds = {"de": "n", "ja": "o", "zh": "no"}
        profiles = [
            synthetic(identity, language, seed, kinds=kind)
            for seed, (language, kind) in enumerate(kinds.items())
        ]
        if name in MIXTURES:
            dense = MIXTURES[name][3]
            profiles += [_within(profiles[2], dense, language) for language in ["fr"] if dense]
        out[name] = (folder, profiles)
    return out


def _within(profile: Profile, layers: list[int], language: str) -> Profile:
    """The same, with the neurons of these layers only."""
    edit = profile.target
    assert edit is not None
    assert edit.neurons is not None
    kept = np.isin(edit.neurons.layer, layers)
    few = NeuronEdit(**{name: value[kept] for name, value in asdict(edit.neurons).items()})
    return replace(profile, language=language, target=replace(edit, neurons=few), suppress=None)


def _loads(name: str, profiles: list[Profile]) -> list[Profile]:
    """Those that the model's workers should take: of a mixture no neurons but dense layers'."""
    return profiles[1:2] + profiles[3:] if name in MIXTURES else profiles


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

        def paths(some: list[Profile], files: Path = files) -> list[str]:
            return [str(files / f"{profile.language}.safetensors") for profile in some]

        models[name] = {
            "folder": str(folder),
            "profiles": paths(_loads(name, profiles)),
            "refused": paths([p for p in profiles if p not in _loads(name, profiles)]),
        }
    for name in WITHOUT_MEMORIES:
        folder, (profile, *_) = made[name]
        extra = store.save(synthetic(profile.model, "ko", 3, kinds="m"), where)
        models[f"{name}, memories"] = {
            "folder": str(folder),
            "profiles": [str(extra)],
            "refused": [],
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
    result: dict[str, Any] = run_script("families_run.py", spec, where, timeout=1200)
    return result


@pytest.mark.parametrize("name", FAMILIES)
def test_steered_as_transformers_with_hooks(
    name: str, answered: dict[str, Any], made: dict[str, tuple[Path, list[Profile]]]
) -> None:
    _, layers, down = FAMILIES[name]
    reference = Reference(str(made[name][0]), layers=layers, down=down)
    _compare(name, answered, made[name][1], reference)


def _loaded(answer: dict[str, Any]) -> None:
    """Skips where stock vLLM cannot load the model on this processor."""
    if "expect weight to be bfloat16" in str(answer.get("error")):
        pytest.skip("on processors with AMX vLLM's attention for MLA takes no float32")


@pytest.mark.parametrize("name", MIXTURES)
def test_mixtures_of_experts_are_steered_by_offsets_and_memories(
    name: str, answered: dict[str, Any], made: dict[str, tuple[Path, list[Profile]]]
) -> None:
    _loaded(answered[name])
    _, layers, output, dense = MIXTURES[name]
    folder, profiles = made[name]
    reference = Reference(str(folder), layers=layers, down=MLP, output=output)
    assert len(_loads(name, profiles)) == (3 if dense else 2)
    _compare(name, answered, _loads(name, profiles), reference)
    experts = min({0, 1, 2} - set(dense))
    for reason in answered[name]["refused"]:
        assert re.search(rf"edits neurons of layer {experts}, a mixture of experts", reason), reason
    assert len(answered[name]["refused"]) == 2


def _compare(
    name: str, answered: dict[str, Any], profiles: list[Profile], reference: Reference
) -> None:
    assert "error" not in answered[name], answered[name]["error"]
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


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_in_no_one_modules_output_is_refused_by_name(
    name: str, answered: dict[str, Any]
) -> None:
    assert name in answered[name]["error"]
    assert re.search(REFUSED[name][1], answered[name]["error"])


@pytest.mark.parametrize("name", WITHOUT_MEMORIES)
def test_memories_are_refused_where_no_module_has_the_ffns_input(
    name: str, answered: dict[str, Any]
) -> None:
    error = answered[f"{name}, memories"]["error"]
    assert re.search(r"memories, and layer 0 \(OPTDecoderLayer\).*Offsets work there", error), error


@pytest.mark.parametrize("name", ["Qwen2Moe", "DeepseekV3"])
def test_an_edit_of_experts_is_added_once_and_not_once_a_rank(
    name: str,
    answered: dict[str, Any],
    made: dict[str, tuple[Path, list[Profile]]],
    start_engine: Any,
    tmp_path: Path,
) -> None:
    _loaded(answered[name])
    folder, profiles = made[name]
    offered = _loads(name, profiles)
    asked = [None, *({"target": p.content_hash, "strength": STRENGTH} for p in offered)]
    found = start_engine(
        [batch([request(PROMPT, by, TOKENS) for by in asked])],
        model=folder,
        profiles=save_all({p.language: p for p in offered}, tmp_path),
        threads=1,
        max_model_len=128,
        skip_tokenizer_init=True,
        tensor_parallel_size=2,
    )
    assert found["workers"] == 2
    for ours, alone in zip(found["batches"][0], answered[name]["answers"], strict=True):
        assert ours["tokens"] == alone["tokens"]
        for x, y in zip(ours["logprobs"], alone["logprobs"], strict=True):
            assert x == pytest.approx(y, abs=TOLERANCE)
