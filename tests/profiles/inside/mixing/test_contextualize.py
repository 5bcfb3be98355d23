"""Maps of every supported layout against the plain reference, unsteered and steered."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from profiles.compose import compose
from profiles.errors import LangsteerError, ModelError
from profiles.inside.mixing.contextualize import contextualize
from profiles.models.hooks import edited
from tests.profiles.inside.mixing.plain import plain_maps
from tests.profiles.inside.mixing.tiny import CONFIGS, IDS, some_edit, tiny

SUPPORTED = [name for name in CONFIGS if name != "neox"]


def _close(found: list, plain: list) -> None:  # type: ignore[type-arg]
    for maps, scopes in zip(found, plain, strict=True):
        assert maps.scopes == tuple(scopes)
        for n, (norms, context, edit) in enumerate(scopes.values()):
            # The midpoint rule's error; and transformers' RMSNorms compute in float32.
            np.testing.assert_allclose(maps.norms[n], norms, rtol=2e-5, atol=2e-5)
            np.testing.assert_allclose(maps.context[n], context, rtol=2e-5, atol=2e-5)
            np.testing.assert_allclose(maps.edit[n], edit, rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("name", SUPPORTED)
def test_every_scope_is_that_of_the_plain_reference(name: str) -> None:
    loaded = tiny(name)
    found = contextualize(loaded, IDS)
    _close(found, plain_maps(name, loaded.model, IDS))
    for maps in found:
        assert set(maps.completeness) == {"attention", "ff", maps.scopes[-1]}
        assert max(maps.completeness.values()) < 1e-6
        assert not np.triu(maps.norms, 1).any()
        assert not maps.edit.any()


@pytest.mark.parametrize("kinds", ["neurons", "offsets", "memories", "neurons offsets memories"])
@pytest.mark.parametrize("name", ["gemma3", "llama-biased", "gpt2"])
def test_an_edit_is_a_source_of_its_own(name: str, kinds: str) -> None:
    loaded = tiny(name)
    edit = some_edit(kinds)
    found = contextualize(loaded, IDS, edit=edit, strength=0.7)
    composed = compose(edit.times(0.7), [])
    with edited(loaded.model, edit, 0.7):
        plain = plain_maps(name, loaded.model, IDS, composed)
    _close(found, plain)
    for maps in found:
        ff = maps.scopes.index("ff")
        assert not maps.edit[:ff].any()
        assert (maps.edit[ff:] > 0).all()


def test_neurons_and_offsets_where_no_module_gets_the_input() -> None:
    loaded = tiny("opt-post-norm")
    edit = some_edit("neurons offsets")
    found = contextualize(loaded, IDS, edit=edit)
    with edited(loaded.model, edit):
        _close(found, plain_maps("opt-post-norm", loaded.model, IDS, compose(edit, [])))


def test_chunks_of_targets_give_the_same_maps() -> None:
    loaded = tiny("gemma3")
    whole = contextualize(loaded, IDS)
    # One target's parts, of (tokens + 1) sources, take 9 KiB: three at once fit.
    small = contextualize(loaded, IDS, memory_limit=60_000)
    for one, other in zip(whole, small, strict=True):
        np.testing.assert_allclose(one.norms, other.norms, rtol=1e-12, atol=1e-14)
        np.testing.assert_allclose(one.context, other.context, rtol=1e-12, atol=1e-14)


def test_a_layer_at_a_time_and_nothing_left_behind() -> None:
    loaded = tiny("llama")
    before = loaded.model.config._attn_implementation
    seen: list[tuple[int, int]] = []
    contextualize(loaded, IDS, edit=some_edit(), progress=lambda *at: seen.append(at))
    assert seen == [(1, 2), (2, 2)]
    assert loaded.model.config._attn_implementation == before
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in loaded.model.modules())


def test_side_by_side_layers_are_refused() -> None:
    with pytest.raises(ModelError, match=r"layer 0: mlp\..* side by side"):
        contextualize(tiny("neox"), IDS)


def test_a_scaled_residual_is_refused() -> None:
    loaded = tiny("llama")
    layer = loaded.model.model.layers[1]
    forward = layer.forward

    def scaled(*args: object, **kwargs: object) -> torch.Tensor:
        return 0.5 * forward(*args, **kwargs)  # type: ignore[no-any-return]

    layer.forward = scaled
    with pytest.raises(ModelError, match=r"layer 1: .*not the residual stream plus .*off by"):
        contextualize(loaded, IDS)


def test_attention_that_is_not_a_mean_of_values_is_refused() -> None:
    loaded = tiny("llama")
    projection = loaded.model.model.layers[0].self_attn.o_proj
    projection.register_forward_hook(lambda _m, _args, output: output + 0.1 * output.roll(1, -1))
    with pytest.raises(ModelError, match=r"layer 0: the parts of scope attention do not sum"):
        contextualize(loaded, IDS)


def test_a_norm_of_another_kind_is_refused() -> None:
    loaded = tiny("llama")
    norm = loaded.model.model.layers[0].post_attention_layernorm
    forward = norm.forward
    norm.forward = lambda x: forward(x) + 0.5 * x.abs()
    with pytest.raises(ModelError, match=r"post_attention_layernorm .* neither LayerNorm nor"):
        contextualize(loaded, IDS)


def test_an_activation_with_another_factor_is_refused() -> None:
    loaded = tiny("llama")
    mlp = loaded.model.model.layers[0].mlp

    def forward(x: torch.Tensor) -> torch.Tensor:
        return mlp.down_proj(1.5 * mlp.act_fn(mlp.gate_proj(x)) * mlp.up_proj(x))  # type: ignore[no-any-return]

    mlp.forward = forward
    with pytest.raises(ModelError, match=r"what mlp\.down_proj reads is neither act\(z\)"):
        contextualize(loaded, IDS)


def test_length_has_a_floor_a_ceiling_and_the_model_s_reach() -> None:
    loaded = tiny("llama")
    with pytest.raises(LangsteerError, match="1 token long: nothing can mix"):
        contextualize(loaded, IDS[:1])
    with pytest.raises(LangsteerError, match=r"30 tokens long; in .* there is room for 9,"):
        contextualize(loaded, [5] * 30, memory_limit=60_000)
    with pytest.raises(LangsteerError, match="40 tokens long; the model reads at most 32"):
        contextualize(loaded, [5] * 40)
