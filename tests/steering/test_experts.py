"""Mixtures of experts: their output is steered, on modules shaped like vLLM's."""

from __future__ import annotations

import dataclasses
import inspect
from importlib import import_module
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from steering.capacity import Capacity
from steering.engine import ffn
from steering.engine.experts import Experts
from steering.errors import EngineError
from steering.tables import Tables
from steering.tokens import Tokens
from tests.steering.combined import combined
from tests.steering.test_ffn import MLP, Gated, Model, offset


class Runner(nn.Module):
    """vLLM's runner of experts: known by what it holds."""

    def __init__(self, shared: nn.Module | None = None, **config: Any) -> None:
        super().__init__()
        known = {"is_sequence_parallel": False, "skip_final_all_reduce": False}
        self.moe_config = SimpleNamespace(**known | config)
        self.routed_scaling_factor = 1.0
        self.routed_experts = nn.Linear(4, 4, bias=False)
        self._shared = shared

    def forward(self, x: Tensor) -> Tensor:
        routed: Tensor = self.routed_experts(x)
        return routed if self._shared is None else routed + self._shared(x)


class Block(nn.Module):
    def __init__(self, **config: Any) -> None:
        super().__init__()
        self.gate = nn.Linear(4, 2)
        self.shared_expert = MLP()
        self.experts = Runner(self.shared_expert, **config)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.experts(x)
        return out


class Sparse(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.self_attn = nn.Identity()
        self.mlp = Block()


def mixed() -> Model:
    """A dense layer, then a mixture, as DeepSeek's."""
    torch.manual_seed(0)
    model = Model(Gated, 1)
    model.layers.append(Sparse())
    return model


def tables(keys: bool = False) -> Tables:
    capacity = Capacity(
        columns=(32,) * 2, memories=1, keys=keys, hidden_size=4, intermediate_size=32
    )
    return Tables(capacity, layers=[0, 1], shard=(0, 32), rows=2, experts=[1])


def test_a_mixture_is_found_by_its_runner_and_its_shared_experts_are_not() -> None:
    model = mixed()
    dense, experts = ffn.find_ffns(model)
    assert isinstance(dense, ffn.FFN)
    assert isinstance(experts, Experts)
    assert experts.output is model.layers[1].mlp
    assert experts.fused == (model.layers[1].mlp.experts,)
    assert [one.layer for one in (dense, experts)] == [0, 1]


def test_the_offset_is_added_to_all_that_the_experts_give() -> None:
    model, tokens = mixed(), Tokens(8)
    x = torch.randn(3, 4)
    before = [layer.mlp(x) for layer in model.layers]
    made = tables()
    armed = list(ffn.install(ffn.find_ffns(model), made, tokens))
    assert armed == ["neurons.0", "memories.0", "memories.1"]
    assert made.layers[1].columns is None
    assert type(model.layers[1].mlp.shared_expert.act_fn) is nn.GELU
    offset(made, 1, 10.0)
    tokens.row[:3] = torch.tensor([0, 1, 1])
    tokens.strength[:3] = torch.tensor([0.0, 1.0, 0.5])
    first, second = (layer.mlp(x) for layer in model.layers)
    assert torch.equal(first, before[0])
    assert torch.equal(second[0], before[1][0])
    torch.testing.assert_close(second[1:], before[1][1:] + torch.tensor([[10.0], [5.0]]))


def test_what_a_block_gives_beside_its_output_stays() -> None:
    class Talkative(Block):
        def forward(self, x: Tensor) -> Any:
            return super().forward(x), "scores"

    model, tokens, made = mixed(), Tokens(8), tables()
    model.layers[1].mlp = Talkative()
    x = torch.randn(2, 4)
    before, _ = model.layers[1].mlp(x)
    list(ffn.install(ffn.find_ffns(model), made, tokens))
    offset(made, 1, 10.0)
    tokens.row[:2], tokens.strength[:2] = 1, 1.0
    after, scores = model.layers[1].mlp(x)
    torch.testing.assert_close(after, before + 10.0)
    assert scores == "scores"


def test_a_key_reads_what_the_experts_were_given_though_they_write_there() -> None:
    """vLLM declares that its fused experts may (`moe_forward` mutates hidden_states)."""

    class Overwriting(Block):
        def forward(self, x: Tensor) -> Tensor:
            out = super().forward(x)
            x.fill_(77.0)
            return out

    model, tokens, made = mixed(), Tokens(8), tables(keys=True)
    model.layers[1].mlp = Overwriting()
    x = torch.randn(3, 4)
    before = model.layers[1].mlp(x.clone())
    armed = list(ffn.install(ffn.find_ffns(model), made, tokens))
    assert armed[-1] == "memories.1"
    offset(made, 1, 10.0)
    layer = made.bank.layers[1]
    layer.key[0], layer.bias[0] = torch.tensor([3.0, -1.0, 0.0, 2.0]), 0.5
    tokens.row[:3] = torch.tensor([0, 1, 1])
    tokens.strength[:3] = torch.tensor([0.0, 1.0, 0.5])
    after = model.layers[1].mlp(x.clone())
    scaled = x / (x.square().mean(1, keepdim=True) + 1e-6).sqrt()
    gain = 2 * torch.sigmoid(scaled @ layer.key[0] + 0.5)
    assert torch.equal(after[0], before[0])
    change = (tokens.strength[:3] * gain)[1:, None] * 10.0
    torch.testing.assert_close(after[1:], before[1:] + change)


def test_vllms_experts_may_write_into_their_input() -> None:
    """The reason why a key's product is taken before them; gone when this fails."""
    pytest.importorskip("vllm", reason="vLLM is not installed")
    import_module("vllm.model_executor.layers.fused_moe.runner.moe_runner")  # has the operator
    arguments = torch.ops.vllm.moe_forward.default._schema.arguments
    (given,) = (one for one in arguments if one.name == "hidden_states")
    assert given.alias_info is not None
    assert given.alias_info.is_write


def test_lora_around_the_runner_changes_nothing() -> None:
    model = mixed()
    wrapped = nn.Module()
    wrapped.base_layer = model.layers[1].mlp.experts
    model.layers[1].mlp.experts = wrapped
    assert ffn.find_ffns(model)[1].output is model.layers[1].mlp


def test_two_runners_in_one_block_are_one_mixture() -> None:
    model = mixed()
    model.layers[1].mlp.vision_experts = Runner()
    assert len(ffn.find_ffns(model)[1].fused) == 2


def test_experts_without_a_module_of_their_own_are_refused() -> None:
    model = mixed()
    model.layers[1].experts = model.layers[1].mlp.experts
    del model.layers[1].mlp
    with pytest.raises(
        EngineError, match=r"Model is a mixture .* at layers\.1\.experts: no module"
    ):
        ffn.find_ffns(model)


def test_a_dense_ffn_beside_the_mixture_is_refused() -> None:
    model = mixed()
    model.layers[1].shared_mlp = MLP()
    with pytest.raises(EngineError, match=r"layer 1 \(layers\.1\.mlp, layers\.1\.shared_mlp\)"):
        ffn.find_ffns(model)


@pytest.mark.parametrize(
    ("config", "world", "dtype", "message"),
    [
        ({"skip_final_all_reduce": True}, 2, torch.bfloat16, "once a rank; start with --tensor"),
        ({"is_sequence_parallel": True}, 2, torch.bfloat16, "some tokens only"),
        ({}, 1, torch.float16, "layer 0 against overflow.*--dtype bfloat16"),
    ],
)
def test_an_output_that_is_not_the_finished_one_is_refused(
    config: dict[str, bool], world: int, dtype: torch.dtype, message: str
) -> None:
    block = Block(**config)
    block.experts.routed_scaling_factor = 2.5
    one = Experts(layer=0, module=block, fused=(block.experts,))
    with pytest.raises(EngineError, match=message):
        one.check(world, dtype)


def test_a_finished_output_is_not_refused() -> None:
    block = Block(skip_final_all_reduce=True)
    one = Experts(layer=0, module=block, fused=(block.experts,))
    one.check(1, torch.float16)  # one rank has nothing to sum, a factor of 1 scales nothing
    block.experts.routed_scaling_factor = 2.5
    one.check(1, torch.bfloat16)


def test_neurons_of_a_mixture_are_refused_and_nothing_is_changed(make_edit, make_profile) -> None:
    made = Tables(
        Capacity(columns=(16,) * 3, memories=1, keys=False, hidden_size=4, intermediate_size=32),
        layers=[0, 1, 2],
        shard=(0, 32),
        rows=2,
        experts=[1, 2],
    )
    with pytest.raises(EngineError, match=r"neurons of layer 2, a mixture .* Offsets .* work"):
        made.load(make_profile("de", make_edit({(0, 3): (1.0, 0.0), (2, 3): (1.0, 0.0)}, {1: 1.0})))
    assert made.profiles == []
    assert made.bank.taken == 0
    assert made.columns_taken == [0, 0, 0]
    # Its dense layers have neurons, and every layer has an output.
    de = made.load(make_profile("de", make_edit({(0, 3): (1.0, 0.0)}, {2: 7.0})))
    made.write_row(1, combined(de))
    assert made.layers[0].add[1].sum() == 1
    assert (made.bank.on[1] @ made.bank.layers[2].value).tolist() == [7.0] * 4


def test_vllms_runner_has_what_it_is_known_and_checked_by() -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    from vllm.model_executor.layers.fused_moe import MoERunner
    from vllm.model_executor.layers.fused_moe.config import FusedMoEConfig

    given = inspect.signature(MoERunner).parameters
    assert {"moe_config", "routed_experts", "routed_scaling_factor"} <= set(given)
    assert {"is_sequence_parallel", "skip_final_all_reduce"} <= set(dir(FusedMoEConfig)) | {
        field.name for field in dataclasses.fields(FusedMoEConfig)
    }
