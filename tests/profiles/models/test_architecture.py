"""Every supported family, as a tiny random model made from its configuration."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
import transformers

from profiles.errors import ModelError
from profiles.learning.memories import LearnableMemories
from profiles.models.architecture import find_dense_ffns
from profiles.models.hooks import edited
from profiles.profile import Edit, MemoryEdit, NeuronEdit, OffsetEdit

SMALL: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 24,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 8,
    "pad_token_id": 0,
    "max_position_embeddings": 64,
}
GPT2 = {"vocab_size": 50, "n_embd": 16, "n_layer": 3, "n_head": 2, "n_positions": 64}
OPT = {**SMALL, "ffn_dim": 24, "word_embed_proj_dim": 16}
FAMILIES: dict[str, tuple[dict[str, Any], int]] = {
    "Gemma2": (SMALL, 24),
    "Gemma3Text": (SMALL, 24),
    "Llama": (SMALL, 24),
    "Qwen2": (SMALL, 24),
    "Qwen3": (SMALL, 24),
    "Mistral": (SMALL, 24),
    "Phi3": (SMALL, 24),
    "Phi": (SMALL | {"num_key_value_heads": 2}, 24),
    "Olmo": (SMALL, 24),
    "Olmo2": (SMALL, 24),
    "OPT": (OPT, 24),
    "GPT2": (GPT2, 64),
    "Bloom": ({"vocab_size": 50, "hidden_size": 16, "n_layer": 3, "n_head": 2}, 64),
    "XGLM": (
        {"vocab_size": 50, "d_model": 16, "ffn_dim": 24, "num_layers": 3, "attention_heads": 2},
        24,
    ),
    "GPTNeoX": (SMALL, 24),
}
CAUSAL = {"Gemma3Text": "Gemma3ForCausalLM", "GPT2": "GPT2LMHeadModel"}


def _model(family: str) -> Any:
    torch.manual_seed(0)
    config = getattr(transformers, f"{family}Config")(**FAMILIES[family][0])
    return getattr(transformers, CAUSAL.get(family, f"{family}ForCausalLM"))(config).eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_finds_every_ffn(family: str) -> None:
    ffns = find_dense_ffns(_model(family))
    assert [ffn.layer for ffn in ffns] == [0, 1, 2]
    assert {ffn.intermediate_size for ffn in ffns} == {FAMILIES[family][1]}
    assert {ffn.hidden_size for ffn in ffns} == {16}


@pytest.mark.parametrize("family", FAMILIES)
def test_edits_act_where_they_should(family: str) -> None:
    """The down projection reads exactly y', the FFN's output is exactly h'."""
    model = _model(family)
    ffn = find_dense_ffns(model)[1]
    seen: dict[str, torch.Tensor] = {}
    neurons = NeuronEdit(
        layer=np.array([1, 1], np.int32),
        neuron=np.array([2, 5], np.int32),
        add=np.array([0.5, 2.0], np.float32),
        scale=np.array([0.0, -1.0], np.float32),
    )
    offset = OffsetEdit(layer=np.array([1], np.int32), value=np.ones((1, 16), np.float32))
    ids = torch.arange(3, 9).reshape(2, 3)

    def run() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        before = ffn.down.register_forward_pre_hook(lambda _m, a: seen.update(y=a[0].clone()))
        after = ffn.output.register_forward_hook(lambda _m, _a, h: seen.update(h=h.clone()))
        with torch.inference_mode():
            logits = model(input_ids=ids).logits
        before.remove()
        after.remove()
        return seen["y"].reshape(6, -1), seen["h"].reshape(6, -1), logits

    y, _, logits = run()
    with edited(model, Edit(neurons=neurons, offsets=offset), strength=0.5):
        y2, h2, logits2 = run()
    expected = y.clone()
    expected[:, 2] += 0.25
    expected[:, 5] = y[:, 5] + 0.5 * (2 - y[:, 5])
    torch.testing.assert_close(y2, expected)
    down = model.get_submodule(_name(model, ffn.down))
    torch.testing.assert_close(h2, down(expected) + 0.5)
    assert not torch.equal(logits2, logits)
    torch.testing.assert_close(run()[2], logits, rtol=0, atol=0)


NO_BLOCK = ("OPT", "XGLM")


def _memory(seed: int) -> MemoryEdit:
    rng = np.random.default_rng(seed)
    key, value = rng.standard_normal((2, 1, 16), dtype=np.float32)
    return MemoryEdit(
        layer=np.array([1], np.int32), key=key, bias=np.array([-0.5], np.float32), value=value
    )


@pytest.mark.parametrize("family", [f for f in FAMILIES if f not in NO_BLOCK])
def test_a_memory_reads_what_the_up_projection_reads(family: str) -> None:
    model = _model(family)
    ffn = find_dense_ffns(model)[1]
    assert ffn.block is not None
    # The first linear module of a block reads its input, in every family.
    up = next(m for m in ffn.block.children() if hasattr(m, "weight") and m is not ffn.down)
    memory = _memory(1)
    seen: dict[str, torch.Tensor] = {}

    def run() -> tuple[torch.Tensor, torch.Tensor]:
        before = up.register_forward_pre_hook(lambda _m, a: seen.update(x=a[0].clone()))
        after = ffn.output.register_forward_hook(lambda _m, _a, h: seen.update(h=h.clone()))
        with torch.inference_mode():
            model(input_ids=torch.arange(3, 9).reshape(2, 3))
        before.remove()
        after.remove()
        return seen["x"].reshape(6, -1), seen["h"].reshape(6, -1)

    x, h = run()
    with edited(model, Edit(memories=memory), strength=0.5):
        x2, h2 = run()
    torch.testing.assert_close(x2, x, rtol=0, atol=0)
    normed = x / x.square().mean(-1, keepdim=True).sqrt()
    opened = 2 * torch.sigmoid(normed @ torch.from_numpy(memory.key[0]) - 0.5)
    expected = h + 0.5 * opened[:, None] * torch.from_numpy(memory.value)
    torch.testing.assert_close(h2, expected, rtol=1e-3, atol=1e-3)
    torch.testing.assert_close(run()[1], h, rtol=0, atol=0)


@pytest.mark.parametrize("family", NO_BLOCK)
def test_memories_without_a_module_that_gets_the_input_are_refused(family: str) -> None:
    model = _model(family)
    why = r"no module .* input of layer [01]'s FFN \(fc2\).*--method learned-offset"
    with pytest.raises(ModelError, match=why), edited(model, Edit(memories=_memory(1))):
        pass
    with pytest.raises(ModelError, match=why):
        LearnableMemories(find_dense_ffns(model))
    assert not any(module._forward_pre_hooks for module in model.modules())


def test_a_block_that_gets_something_else_is_named() -> None:
    model = _model("Llama")
    for layer in model.model.layers:
        layer.mlp.inner = torch.nn.ModuleList([layer.mlp.down_proj])
        del layer.mlp.down_proj
        layer.mlp.__dict__["down_proj"] = layer.mlp.inner[0]
    ffns = find_dense_ffns(model, "mlp.inner.0")
    undo = ffns[1].on_both(lambda _x, h: h)
    with pytest.raises(ModelError, match=r"layer 1: ModuleList, .*\(mlp\.inner\.0\).* got nothing"):
        model(input_ids=torch.arange(3)[None])
    undo()
    model(input_ids=torch.arange(3)[None])


def _name(model: Any, module: torch.nn.Module) -> str:
    return next(name for name, found in model.named_modules() if found is module)


def test_encoder_decoder_is_refused() -> None:
    config = transformers.T5Config(vocab_size=50, d_model=16, d_ff=24, num_layers=1, num_heads=2)
    with pytest.raises(ModelError, match="encoder-decoder"):
        find_dense_ffns(transformers.T5ForConditionalGeneration(config))


def test_unknown_architecture_names_what_it_saw_and_the_way_out() -> None:
    model = _model("Llama")
    for layer in model.model.layers:
        layer.mlp.strange = layer.mlp.down_proj
        del layer.mlp.down_proj
    with pytest.raises(ModelError, match=r"mlp\.strange.*--down-projection"):
        find_dense_ffns(model)
    assert len(find_dense_ffns(model, "mlp.strange")) == 3
    with pytest.raises(ModelError, match=r"'mlp\.nothing' is not one"):
        find_dense_ffns(model, "mlp.nothing")


def test_bloom_that_bypasses_its_down_projection_is_refused() -> None:
    model = _model("Bloom")
    model.config.slow_but_exact, model.config.pretraining_tp = True, 2
    with pytest.raises(ModelError, match="slow_but_exact"):
        find_dense_ffns(model)
