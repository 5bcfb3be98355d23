"""Steering beside LoRA, weights that are reloaded, and sleep: tiny models, against transformers.

Each engine answers one batch that mixes adapters and steering, before and after each of these.
"""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import pytest

from profiles.models.fingerprint import fingerprint
from profiles.profile import Profile
from tests.e2e.conftest import RunBeside, save_all, synthetic
from tests.e2e.reference import Reference
from tests.lora import save_adapter, save_merged
from tests.tiny_model import SIZES, save_model

pytestmark = pytest.mark.e2e

TOKENS = 5
TOLERANCE = 1e-4  # float32 on both sides
# vLLM computes Apertus's activation a little differently, without steering too.
LOOSER = {"Apertus": 5e-3}
FFN = ("gate_proj", "up_proj", "down_proj")
ATTENTION = ("q_proj", "k_proj", "v_proj")
MLP = "mlp.down_proj"
# Case: family, configuration, decoder layers, down projection, what each adapter targets.
CASES: dict[str, tuple[str, dict[str, Any], str, str, tuple[tuple[str, ...], ...]]] = {
    "Llama": ("Llama", SIZES, "model.layers", MLP, ((*ATTENTION, "o_proj", *FFN), FFN)),
    "compiled": ("Llama", SIZES, "model.layers", MLP, ((*ATTENTION, "o_proj", *FFN), FFN)),
    # LoRA replaces the very module that the output's edit listens to.
    "OPT": (
        "OPT",
        SIZES | {"ffn_dim": 160, "word_embed_proj_dim": 64},
        "model.decoder.layers",
        "fc2",
        ((*ATTENTION, "out_proj", "fc1", "fc2"), ("fc1", "fc2")),
    ),
    # Its weights would be tied: vLLM 0.32 reloads such an `lm_head` wrongly, with or without us.
    "GPT2": (
        "GPT2",
        {
            "n_embd": 64,
            "n_layer": 3,
            "n_head": 2,
            "n_positions": 256,
            "initializer_range": 0.15,
            "tie_word_embeddings": False,
        },
        "transformer.h",
        "mlp.c_proj",
        (),
    ),
    # Its activation has weights, which are in the checkpoint.
    "Apertus": ("Apertus", SIZES | {"hidden_act": "xielu"}, "model.layers", MLP, ()),
}
ON_V2 = ("Llama", "GPT2")
STEERED: dict[str, dict[str, Any] | None] = {
    "plain": None,
    "neurons": {"target": "de", "strength": 2.0},
    "offset": {"target": "ja", "strength": 4.0},
    "both, decode": {"target": "zh", "phase": "decode", "strength": 2.0},
}
# One prompt of several cache blocks on a warm cache: steering, adapter, whether it is found.
WARM = (
    ("plain", None, False),
    ("neurons", None, False),
    ("plain", 0, False),
    ("neurons", 0, False),
    ("neurons", 0, True),
    ("neurons", 1, False),
    ("plain", 0, True),
)


def words(count: int, seed: int) -> list[int]:
    return random.Random(seed).choices(range(3, 250), k=count)


def requests(adapters: int) -> list[dict[str, Any]]:
    """One batch: each way to steer with no adapter and with each."""
    return [
        {"prompt": words(6 + 5 * at, at), "tokens": TOKENS, "steering": name, "adapter": adapter}
        for at, (adapter, name) in enumerate(
            (adapter, name) for adapter in (None, *range(adapters)) for name in STEERED
        )
    ]


WARM_REQUESTS = [
    {"prompt": words(70, 99), "tokens": 2, "steering": name, "adapter": adapter}
    for name, adapter, _ in WARM
]


def steps(name: str) -> list[dict[str, Any]]:
    adapters = len(CASES[name][4])
    batch = {"ask": requests(adapters)}
    warm = [{"ask": [one], "fresh": not at} for at, one in enumerate(WARM_REQUESTS)]
    begin = [{"look": None}, batch]
    new = [{"call": "reload_weights", "with": {"weights_path": "OTHER"}}, {"look": None}, batch]
    return {
        "Llama": [*begin, *new, *warm, {"nap": 1}, {"look": None}, batch],
        "compiled": [*begin, *new],
        "OPT": [*begin, *new],
        "GPT2": [*begin, *new, {"deep sleep": 2}, {"look": None}, batch],
        "Apertus": [*begin, *new],
    }[name]


class Made:
    """The files of a case: the model, other weights for it, adapters, profiles."""

    def __init__(self, case: str, folder: Path) -> None:
        import torch
        from transformers import AutoModelForCausalLM

        family, config, self.layers, self.down, adapters = CASES[case]
        folder.mkdir()
        self.model = save_model(folder / "model", family, **config)
        other = AutoModelForCausalLM.from_pretrained(self.model)
        torch.manual_seed(1)
        with torch.no_grad():
            for parameter in other.parameters():
                parameter.add_(0.05 * torch.randn_like(parameter))
        self.other = folder / "other"
        other.save_pretrained(self.other)
        self.adapters = [
            save_adapter(folder / f"adapter{at}", self.model, targets, at)
            for at, targets in enumerate(adapters)
        ]
        identity = fingerprint(self.model)
        # OPT has no FFN module, and so no memories.
        kinds = {"de": "n", "ja": "o", "zh": "no" if family == "OPT" else "nom"}
        self.profiles: dict[str, Profile] = {
            language: synthetic(identity, language, seed, kinds=kind)
            for seed, (language, kind) in enumerate(kinds.items())
        }
        (folder / "profiles").mkdir()
        self.files = sorted(save_all(self.profiles, folder / "profiles").glob("*.safetensors"))
        self._folder = folder
        self._references: dict[tuple[bool, int | None], Reference] = {}

    def spec(self, case: str) -> dict[str, Any]:
        engine: dict[str, Any] = {"model": str(self.model), "enforce_eager": case != "compiled"}
        if self.adapters:
            # One place more than adapters: on a CPU vLLM 0.32 gives requests that have no adapter
            # the last place's (vllm-project/vllm#48421).
            engine |= {"enable_lora": True, "max_loras": 3, "max_lora_rank": 8}
        return {
            "engine": engine,
            "profiles": [str(file) for file in self.files],
            "adapters": [str(adapter) for adapter in self.adapters],
            "steps": [self._named(step) for step in steps(case)],
        }

    def _named(self, step: dict[str, Any]) -> dict[str, Any]:
        if "call" in step:
            return step | {"with": {"weights_path": str(self.other)}}
        if "ask" not in step:
            return step
        return step | {"ask": [one | {"steering": self._by(one)} for one in step["ask"]]}

    def _by(self, request: dict[str, Any]) -> dict[str, Any] | None:
        by = STEERED[request["steering"]]
        return by and by | {"target": self.profiles[by["target"]].content_hash}

    def expected(self, request: dict[str, Any], other: bool) -> tuple[list[int], list[float]]:
        """What transformers answers, with the adapter merged in and hooks for the edit."""
        by = STEERED[request["steering"]] or {}
        prompt = request["prompt"]
        return self._reference(other, request["adapter"]).greedy(
            prompt,
            request["tokens"],
            self.profiles[by["target"]].target if by else None,
            strength=by.get("strength", 0.0),
            first=len(prompt) - 1 if by.get("phase") == "decode" else 0,
        )

    def _reference(self, other: bool, adapter: int | None) -> Reference:
        if (key := (other, adapter)) not in self._references:
            model = self.other if other else self.model
            if adapter is not None:
                merged = self._folder / f"merged{other}{adapter}"
                model = save_merged(merged, model, self.adapters[adapter])
            self._references[key] = Reference(str(model), layers=self.layers, down=self.down)
        return self._references[key]


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Made]:
    folder = tmp_path_factory.mktemp("beside")
    return {case: Made(case, folder / case) for case in CASES}


@pytest.fixture(scope="module")
def answered(made: dict[str, Made], run_beside: RunBeside) -> dict[str, dict[str, Any]]:
    """What each case's steps gave, on each runner and on stock vLLM, by runner and case."""
    cases = {case: one.spec(case) for case, one in made.items()}
    on_v2 = {case: cases[case] for case in ON_V2}
    return run_beside({"v1": cases, "stock": {"Llama": cases["Llama"]}, "v2": on_v2})


BOTH = [("v1", case) for case in CASES] + [("v2", case) for case in ON_V2]


@pytest.mark.parametrize(("runner", "case"), BOTH)
def test_every_answer_is_that_of_transformers(
    runner: str, case: str, answered: dict[str, dict[str, Any]], made: dict[str, Made]
) -> None:
    """Merged adapters, hooks, and after a reload the other weights."""
    assert "error" not in answered[runner][case], answered[runner][case]["error"]
    other, compared = False, set()
    for step, got in zip(steps(case), answered[runner][case]["steps"], strict=True):
        other |= "call" in step
        for request, answer in zip(step.get("ask", ()), got or (), strict=False):
            tokens, logprobs = made[case].expected(request, other)
            told = (runner, case, other, request["steering"], request["adapter"])
            assert answer["tokens"] == tokens, told
            ours = [at[str(token)] for at, token in zip(answer["logprobs"], tokens, strict=True)]
            assert ours == pytest.approx(logprobs, abs=LOOSER.get(case, TOLERANCE)), told
            compared.add(tuple(tokens))
    # Or adapters, steering and reloads would show nothing.
    assert len(compared) >= 0.8 * 2 * len(requests(len(CASES[case][4])))


@pytest.mark.parametrize(("runner", "case"), BOTH)
def test_the_edits_stay_where_they_are(
    runner: str, case: str, answered: dict[str, dict[str, Any]]
) -> None:
    """Each once a layer, their tensors held by the model as buffers that no checkpoint has."""
    looks = [
        got
        for step, got in zip(steps(case), answered[runner][case]["steps"], strict=True)
        if "look" in step
    ]
    for seen in looks:
        assert len(seen["activations"]) == len(seen["outputs"]) == 3
        assert seen["not buffers of the model"] == 0
        assert seen["not persistent"]
        assert seen["activations"] == looks[0]["activations"]
        assert seen["outputs"] == looks[0]["outputs"]
    # A reload and a sleep leave the tables as they were after the first batch.
    assert len({seen["tables"] for seen in looks[1:]}) == 1 != looks[0]["tables"]


@pytest.mark.parametrize("runner", ["v1", "v2"])
def test_adapter_and_steering_both_count_in_the_prefix_cache(
    runner: str, answered: dict[str, dict[str, Any]]
) -> None:
    """Their answers are among those compared with transformers."""
    found = [
        got[0]["cached"] > 0
        for step, got in zip(steps("Llama"), answered[runner]["Llama"]["steps"], strict=True)
        if step.get("ask", [{}])[0] in WARM_REQUESTS
    ]
    assert found == [hit for _, _, hit in WARM]


def test_unsteered_requests_beside_adapters_are_bit_exact_with_stock_vllm(
    answered: dict[str, dict[str, Any]],
) -> None:
    ours, stock = (answered[name]["Llama"]["steps"] for name in ("v1", "stock"))
    pairs = [
        (a, b)
        for step, mine, theirs in zip(steps("Llama"), ours, stock, strict=True)
        for request, a, b in zip(step.get("ask", ()), mine or (), theirs or (), strict=False)
        if request["steering"] == "plain" and len(step["ask"]) > 1
    ]
    assert len(pairs) == 9
    for a, b in pairs:
        assert (a["tokens"], a["logprobs"]) == (b["tokens"], b["logprobs"])


def test_it_is_really_v2(answered: dict[str, dict[str, Any]]) -> None:
    for case in ON_V2:
        assert answered["v2"][case]["runner"] == "vllm.v1.worker.cpu.model_runner"
