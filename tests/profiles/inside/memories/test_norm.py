"""Norms of several kinds as gain and bias, measured from what they do."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn
from transformers.models.cohere.modeling_cohere import CohereLayerNorm
from transformers.models.gemma3.modeling_gemma3 import Gemma3RMSNorm
from transformers.models.llama.modeling_llama import LlamaRMSNorm
from transformers.models.olmo.modeling_olmo import OlmoLayerNorm

from profiles.errors import ModelError
from profiles.inside.memories.norm import measure_norm

KINDS = [
    (LlamaRMSNorm(8), False),
    (Gemma3RMSNorm(8), False),
    (nn.LayerNorm(8), True),
    (nn.LayerNorm(8, bias=False), True),
    (CohereLayerNorm(hidden_size=8), True),
    (OlmoLayerNorm(8), True),
]


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
@pytest.mark.parametrize(("module", "centred"), KINDS, ids=lambda x: type(x).__name__)
def test_measured_as_the_layer_is(module: nn.Module, centred: bool, dtype: torch.dtype) -> None:
    torch.manual_seed(0)
    with torch.no_grad():
        for p in module.parameters():
            p.copy_(torch.randn_like(p))
    module = module.to(dtype)
    norm = measure_norm(module, 8)
    assert norm.centred == centred
    x = 3 * torch.randn(5, 8) + 1
    torch.testing.assert_close(norm(x), module.float()(x), atol=1e-4, rtol=1e-4)


def test_parts_add_up_to_the_whole() -> None:
    module = nn.LayerNorm(8)
    with torch.no_grad():
        module.weight.copy_(torch.arange(8.0))
        module.bias.fill_(0.5)
    norm = measure_norm(module, 8)
    first, second = torch.randn(2, 8, generator=torch.Generator().manual_seed(1))
    whole = first + second
    size = (whole - whole.mean()).square().mean().sqrt()
    parts = (norm.part(first) + norm.part(second)) / size + norm.bias
    torch.testing.assert_close(parts, module(whole), atol=1e-4, rtol=1e-4)


class _Odd(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return torch.tanh(x)


def test_something_else_is_refused() -> None:
    with pytest.raises(ModelError, match=r"the last norm is a _Odd, neither an RMS norm"):
        measure_norm(_Odd(), 8, "the last norm")
