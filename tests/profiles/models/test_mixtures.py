"""Mixtures of experts in transformers: found by their output, edited there, and nowhere else."""

from __future__ import annotations

from contextlib import nullcontext
from typing import Any

import numpy as np
import pytest
import torch
import transformers
from torch import Tensor

from profiles.errors import ModelError
from profiles.learning.memories import LearnableMemories
from profiles.learning.offsets import LearnableOffsets
from profiles.models.architecture import find_dense_ffns, find_ffns
from profiles.models.ffn import DenseFFN
from profiles.models.hooks import edited
from profiles.profile import Edit, MemoryEdit, NeuronEdit, OffsetEdit
from tests.profiles.models.test_architecture import SMALL

FEW = {"num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 12}
MLA = {
    **{k: v for k, v in SMALL.items() if k != "head_dim"},
    "num_key_value_heads": 2,
    "q_lora_rank": None,
    "kv_lora_rank": 8,
    "qk_nope_head_dim": 8,
    "qk_rope_head_dim": 8,
    "v_head_dim": 8,
    "first_k_dense_replace": 1,
    "n_routed_experts": 4,
    "n_shared_experts": 1,
    "num_experts_per_tok": 2,
    "moe_intermediate_size": 12,
    "n_group": 1,
    "topk_group": 1,
}
# Family: its configuration, its dense layers, and the mixture's name in the others.
MIXTURES: dict[str, tuple[dict[str, Any], list[int], str]] = {
    "Mixtral": (SMALL | {"num_local_experts": 4}, [], "mlp"),
    "Qwen2Moe": (SMALL | FEW | {"shared_expert_intermediate_size": 20}, [], "mlp"),
    "Qwen3Moe": (SMALL | FEW | {"mlp_only_layers": [1]}, [1], "mlp"),
    "Olmoe": (SMALL | {"num_experts": 4, "num_experts_per_tok": 2}, [], "mlp"),
    "GraniteMoe": (SMALL | {"num_local_experts": 4}, [], "block_sparse_moe"),
    "DeepseekV2": (MLA, [0], "mlp"),
    "DeepseekV3": (MLA, [0], "mlp"),
    "GptOss": (SMALL | {"num_local_experts": 4, "num_experts_per_tok": 2}, [], "mlp"),
    "Llama4Text": (
        SMALL
        | {
            "num_local_experts": 4,
            "intermediate_size_mlp": 24,
            "moe_layers": [1],
            "interleave_moe_layer_step": 2,
        },
        [0, 2],
        "feed_forward",
    ),
}
CAUSAL = {"Llama4Text": "Llama4ForCausalLM"}
IDS = torch.arange(3, 9).reshape(2, 3)


def _model(family: str, **config: Any) -> Any:
    torch.manual_seed(0)
    made = getattr(transformers, f"{family}Config")(**(config or MIXTURES[family][0]))
    return getattr(transformers, CAUSAL.get(family, f"{family}ForCausalLM"))(made).eval()


def _offset(layer: int, value: float = 1.0) -> Edit:
    values = np.full((1, 16), value, np.float32)
    return Edit(offsets=OffsetEdit(layer=np.array([layer], np.int32), value=values))


def _neuron(layer: int) -> Edit:
    one = np.array([3.0], np.float32)
    where = np.array([layer], np.int32)
    return Edit(neurons=NeuronEdit(layer=where, neuron=where * 0 + 2, add=one, scale=one * 0))


@pytest.mark.parametrize("family", MIXTURES)
def test_every_layer_has_an_output_and_dense_ones_have_neurons(family: str) -> None:
    _, dense, name = MIXTURES[family]
    ffns = find_ffns(_model(family))
    assert [ffn.layer for ffn in ffns] == [0, 1, 2]
    assert {ffn.hidden_size for ffn in ffns} == {16}
    assert [ffn.layer for ffn in ffns if isinstance(ffn, DenseFFN)] == dense
    assert {ffn.path for ffn in ffns if not isinstance(ffn, DenseFFN)} == {name}
    assert {ffn.intermediate_size for ffn in ffns if isinstance(ffn, DenseFFN)} <= {24}


@pytest.mark.parametrize("family", MIXTURES)
def test_an_offset_is_added_to_all_that_the_experts_give(family: str) -> None:
    model = _model(family)
    at = next(n for n in range(3) if n not in MIXTURES[family][1])
    seen: list[Tensor] = []
    ffn = find_ffns(model)[at]

    def run() -> Tensor:
        handle = ffn.on_output(lambda h: seen.append(h.reshape(6, 16).clone()))
        with torch.inference_mode():
            logits: Tensor = model(input_ids=IDS).logits
        handle.remove()
        return logits

    plain = run()
    with edited(model, _offset(at), strength=0.5):
        steered = run()
    torch.testing.assert_close(seen[1], seen[0] + 0.5)
    assert not torch.allclose(plain, steered)
    torch.testing.assert_close(run(), plain, rtol=0, atol=0)
    # From the last position on: a mask that has to fit what the block gives.
    with edited(model, _offset(at), strength=[0.5, 1.0], first_position=2):
        run()
    moved = (seen[3] - seen[0]).reshape(2, 3, 16)
    assert not moved[:, :2].any()
    torch.testing.assert_close(moved[:, 2].mean(-1), torch.tensor([0.5, 1.0]))


@pytest.mark.parametrize("family", MIXTURES)
def test_a_memory_reads_what_the_experts_are_given(family: str) -> None:
    model = _model(family)
    at = next(n for n in range(3) if n not in MIXTURES[family][1])
    ffn = find_ffns(model)[at]
    rng = np.random.default_rng(0)
    key, value = rng.standard_normal((2, 1, 16), dtype=np.float32)
    memory = MemoryEdit(
        layer=np.array([at], np.int32), key=key, bias=np.array([0.5], np.float32), value=value
    )
    seen: list[tuple[Tensor, Tensor]] = []

    def note(x: Tensor, h: Tensor) -> Tensor:
        seen.append((x.reshape(6, 16).clone(), h.reshape(6, 16).clone()))
        return h

    for edit in (None, Edit(memories=memory)):
        with torch.inference_mode(), edited(model, edit, 0.5) if edit else nullcontext():
            undo = ffn.on_both(note)
            model(input_ids=IDS)
            undo()
    (x, h), (x2, h2) = seen
    torch.testing.assert_close(x2, x, rtol=0, atol=0)
    normed = x / x.square().mean(-1, keepdim=True).sqrt()
    opened = 2 * torch.sigmoid(normed @ torch.from_numpy(key[0]) + 0.5)
    expected = h + 0.5 * opened[:, None] * torch.from_numpy(value)
    torch.testing.assert_close(h2, expected, rtol=1e-3, atol=1e-3)


@pytest.mark.parametrize("family", MIXTURES)
def test_gradients_reach_the_offsets_of_every_layer(family: str) -> None:
    """Through the experts of later layers, as learning needs."""
    model = _model(family).requires_grad_(False)
    learnable = LearnableOffsets(find_ffns(model))
    learnable.measure(lambda: model(input_ids=IDS), torch.ones(2, 3, dtype=torch.bool))
    assert (learnable.size_L > 0).all()
    with learnable:
        learnable.begin(torch.zeros(2, dtype=torch.int64))
        model(input_ids=IDS).logits.square().mean().backward()
    (units_LH,) = learnable.parameters()
    assert units_LH.grad is not None
    assert units_LH.grad.abs().sum(-1).min() > 0


@pytest.mark.parametrize("family", ["Mixtral", "DeepseekV3", "GptOss"])
def test_gradients_reach_the_keys_of_every_layer(family: str) -> None:
    model = _model(family).requires_grad_(False)
    learnable = LearnableMemories(find_ffns(model))
    torch.nn.init.normal_(learnable.units_LH)
    with learnable:
        learnable.begin(torch.zeros(2, dtype=torch.int64))
        model(input_ids=IDS).logits.square().mean().backward()
    for parameter in learnable.parameters():
        assert parameter.grad is not None
        assert parameter.grad.abs().reshape(3, -1).sum(-1).min() > 0


@pytest.mark.parametrize("family", MIXTURES)
def test_what_takes_neurons_is_refused_in_one_line(family: str) -> None:
    model = _model(family)
    at = next(n for n in range(3) if n not in MIXTURES[family][1])
    with pytest.raises(
        ModelError, match=rf"is a mixture of experts \(layer {at}, .*Memories and offsets"
    ) as e:
        find_dense_ffns(model)
    assert type(model).__name__ in str(e.value)
    assert "\n" not in str(e.value)
    with (
        pytest.raises(ModelError, match=f"neurons of layer {at}, which is a mixture"),
        edited(model, _neuron(at)),
    ):
        pass


def test_neurons_of_a_dense_layer_can_be_edited_beside_mixtures() -> None:
    model = _model("DeepseekV3")
    with torch.inference_mode():
        plain = model(input_ids=IDS).logits
        with edited(model, _neuron(0)):
            assert not torch.allclose(model(input_ids=IDS).logits, plain)
        torch.testing.assert_close(model(input_ids=IDS).logits, plain, rtol=0, atol=0)


def test_a_shared_ffn_beside_the_mixture_is_refused() -> None:
    config = SMALL | {"num_local_experts": 4, "shared_intermediate_size": 24}
    with pytest.raises(ModelError, match=r"layer 0 is spread over .*block_sparse_moe, shared_mlp"):
        find_ffns(_model("GraniteMoeShared", **config))
