"""vLLM fuses some activations with the quantization behind them; ours must not be among them."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from steering.capacity import Capacity
from steering.engine.steered_activation import SteeredActivation
from steering.tables import Tables
from steering.tokens import Tokens

pytest.importorskip("vllm", reason="vLLM is not installed")


@pytest.fixture
def fused() -> Any:
    from vllm.model_executor.layers.fusion import fused_act_quant

    return fused_act_quant


@pytest.mark.parametrize("name", ["SiluAndMul", "ReLUSquaredActivation"])
def test_a_steered_activation_takes_the_unfused_path(
    name: str, fused: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The quantization of static FP8, with a producer that stands for the fused kernel."""
    from vllm.config import VllmConfig, set_current_vllm_config
    from vllm.model_executor.layers import activation
    from vllm.model_executor.layers.quantization.utils.quant_utils import kFp8StaticTensorSym

    kind = getattr(activation, name)
    key = (kind, kFp8StaticTensorSym)
    monkeypatch.setitem(fused._FUSED_ACT_QUANT, key, lambda x, linear: "fused")
    monkeypatch.setattr(fused, "_FUSED_ACT_QUANT_SUPPORT", {})
    with set_current_vllm_config(VllmConfig()):
        act = kind()
    linear = SimpleNamespace(_input_quant_key=kFp8StaticTensorSym, input_scale=torch.ones(1))
    x = torch.randn(3, 8)
    assert fused.maybe_fused_act_quant(act, x, linear) == "fused"

    plain = act(x)
    wide = plain.shape[1]
    capacity = Capacity(
        columns=(wide,), memories=0, keys=False, hidden_size=4, intermediate_size=wide
    )
    tables, tokens = Tables(capacity, layers=[0], shard=(0, wide), rows=2), Tokens(3)
    tables.layers[0].add[1] = 1.0
    tokens.row[:3] = torch.tensor([0, 1, 0])
    tokens.strength[:3] = torch.tensor([0.0, 1.0, 0.0])
    got = fused.maybe_fused_act_quant(SteeredActivation(act, tables.layers[0], tokens), x, linear)
    assert torch.equal(got, plain + torch.tensor([[0.0], [1.0], [0.0]]))
