from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

from profiles.errors import ModelError
from profiles.finding.activations import Activations, collect
from profiles.finding.batches import Batch, Plan, Sentence
from profiles.finding.hooked import HookedModel
from profiles.finding.sites import SITES, find_site
from tests.profiles.models.test_architecture import FAMILIES, _model

# Linear layers of a decoder layer: attention's, then the FFN's; fused ones count as one.
LINEAR: dict[str, tuple[dict[str, int], dict[str, int]]] = {
    "Llama": (
        {
            "self_attn.q_proj": 16,
            "self_attn.k_proj": 8,
            "self_attn.v_proj": 8,
            "self_attn.o_proj": 16,
        },
        {"mlp.gate_proj": 24, "mlp.up_proj": 24, "mlp.down_proj": 16},
    ),
    "Phi3": (
        {"self_attn.o_proj": 16, "self_attn.qkv_proj": 32},
        {"mlp.gate_up_proj": 48, "mlp.down_proj": 16},
    ),
    "GPT2": ({"attn.c_attn": 48, "attn.c_proj": 16}, {"mlp.c_fc": 64, "mlp.c_proj": 16}),
    "Bloom": (
        {"self_attention.query_key_value": 48, "self_attention.dense": 16},
        {"mlp.dense_h_to_4h": 64, "mlp.dense_4h_to_h": 16},
    ),
    "OPT": (
        {
            "self_attn.k_proj": 16,
            "self_attn.v_proj": 16,
            "self_attn.q_proj": 16,
            "self_attn.out_proj": 16,
        },
        {"fc1": 24, "fc2": 16},
    ),
}


def _record(model: Any, site: Any, widths: list[int | None]) -> Activations:
    """Four sentences of two languages, in batches of one each or of all, padded to a width."""
    rng = np.random.default_rng(0)
    sentences = [
        Sentence(i, i % 2, (2, *rng.integers(3, 50, size).tolist()), (False,) + (True,) * size)
        for i, size in enumerate([7, 5, 3, 1])
    ]
    batches = [
        batch
        for width in widths
        for batch in (
            [Batch((s,), len(s.ids), 1) for s in sentences]
            if width is None
            else [Batch(tuple(sentences), width, 6)]
        )
    ]
    plan = Plan(
        languages=("a", "b"),
        batches=batches,
        labels=np.array([s.label for s in sentences], np.int32),
        dropped=np.zeros(2, np.int64),
        tokens=np.array([10, 6]),
    )
    found = find_site(model, site)
    return collect(HookedModel(model.base_model, found, torch.device("cpu")), plan)


@pytest.mark.parametrize("site", ["ffn", "all-linear"])
@pytest.mark.parametrize("family", FAMILIES)
def test_batching_and_padding_change_nothing(family: str, site: Any) -> None:
    model = _model(family)
    alone, padded = _record(model, site, [None]), _record(model, site, [12])
    assert alone.means.shape == (4, 3, sum(width for _, width in alone.parts))
    if site == "ffn":
        assert alone.means.shape[2] == FAMILIES[family][1]
    for name in ("means", "token_mean", "token_std", "output_mean"):
        np.testing.assert_allclose(getattr(padded, name), getattr(alone, name), atol=2e-5)
    # One token of ten may fall on the other side of zero.
    np.testing.assert_allclose(padded.token_active, alone.token_active, atol=0.11)
    assert 0.2 < alone.token_active.mean() < 0.8


@pytest.mark.parametrize("family", LINEAR)
def test_every_linear_layer_is_in_its_site(family: str) -> None:
    model = _model(family)
    attention, mlp = LINEAR[family]
    assert dict(find_site(model, "attention").parts) == attention
    assert dict(find_site(model, "mlp-linear").parts) == mlp
    assert dict(find_site(model, "all-linear").parts) == attention | mlp
    assert len(find_site(model, "ffn").parts) == 1


@pytest.mark.parametrize("family", FAMILIES)
def test_the_activation_is_found_and_its_own(family: str) -> None:
    """What act(gate) > 0 is read from; one module a layer, or layers would mix."""
    gates = find_site(_model(family)).gates
    assert None not in gates
    assert len({id(gate) for gate in gates}) == 3


def test_layers_that_differ_are_refused_but_for_their_neurons() -> None:
    model = _model("Llama")
    model.model.layers[1].self_attn.extra = torch.nn.Linear(2, 2)
    with pytest.raises(ModelError, match=r"layers differ .*attention"):
        find_site(model, "attention")
    assert find_site(model, "ffn").units == 24


def test_an_unknown_site_names_the_known_ones() -> None:
    with pytest.raises(ValueError, match=", ".join(SITES)):
        find_site(_model("Llama"), "residual")  # type: ignore[arg-type]
