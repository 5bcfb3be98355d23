"""The way from hidden states to the vocabulary, for tied, untied, capped, scaled and odd heads."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import transformers
from torch import Tensor, nn

from profiles.errors import ModelError
from profiles.inside.memories.decoder import Decoder, find_decoder, first_of

BASE: dict[str, Any] = {
    "vocab_size": 99,
    "hidden_size": 16,
    "intermediate_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "pad_token_id": 0,
    "bos_token_id": 2,
    "eos_token_id": 1,
}
GPT = {"n_embd": 16, "n_layer": 2, "n_head": 2}
FAMILIES: list[tuple[str, dict[str, Any]]] = [
    ("Llama", {"tie_word_embeddings": True}),
    ("Llama", {"tie_word_embeddings": False}),
    ("Gemma2", {"head_dim": 8, "final_logit_softcapping": 1.0}),
    ("Gemma3Text", {"head_dim": 8}),
    ("Qwen3", {"head_dim": 8}),
    ("Olmo", {}),
    ("Olmo2", {}),
    ("Cohere", {}),
    ("Granite", {"logits_scaling": 4.0, "residual_multiplier": 0.3}),
    ("Phi", {}),
    ("GPT2", GPT),
    ("GPTNeoX", {}),
    ("Bloom", {"n_layer": 2, "n_head": 2}),
    ("OPT", {"ffn_dim": 32, "word_embed_proj_dim": 16}),
]


def _model(family: str, config: dict[str, Any]) -> Any:
    torch.manual_seed(0)
    made = getattr(transformers, f"{family}Config")(**(BASE | config))
    model = transformers.AutoModelForCausalLM.from_config(made).eval()
    with torch.no_grad():
        for p in model.parameters():  # norms and biases too, which begin as 1 and 0
            p.add_(0.3 * torch.randn_like(p))
    return model


@pytest.mark.parametrize(("family", "config"), FAMILIES, ids=lambda x: x if x in dir() else None)
def test_streams_add_up_and_read_as_the_model_does(family: str, config: dict[str, Any]) -> None:
    model = _model(family, config)
    decoder = find_decoder(model)
    ids = torch.arange(3, 12)[None]
    for layer, ffn in enumerate(decoder.ffns):
        whole = _states(model, decoder, layer, ids)
        silent = ffn.output.register_forward_hook(lambda _m, _a, h: torch.zeros_like(h))
        without = _states(model, decoder, layer, ids)["after"]
        silent.remove()
        added = whole["output"] * decoder.head.residual_scale
        torch.testing.assert_close(whole["after"] - without, added, atol=1e-4, rtol=1e-4)
    with torch.no_grad():
        logits = model(input_ids=ids).logits[0]
    torch.testing.assert_close(decoder.head.read(whole["after"]), logits, atol=1e-4, rtol=1e-4)


@torch.no_grad()
def _states(model: Any, decoder: Decoder, layer: int, ids: Tensor) -> dict[str, Tensor]:
    seen: dict[str, Tensor] = {}

    def keep(name: str) -> Any:
        return lambda _m, _a, h: seen.update({name: first_of(h).reshape(ids.shape[1], -1)})

    last = decoder.posts[layer] or decoder.ffns[layer].output
    handles = [
        last.register_forward_hook(keep("output")),
        decoder.layers[layer].register_forward_hook(keep("after")),
    ]
    model(input_ids=ids, use_cache=False)
    for handle in handles:
        handle.remove()
    return seen


def test_asking_the_model_says_nothing_of_padding(monkeypatch: pytest.MonkeyPatch) -> None:
    said: list[str] = []
    log = transformers.utils.logging.get_logger("transformers.modeling_utils")
    for name in ("warning", "warning_once"):
        monkeypatch.setattr(type(log), name, lambda _log, text, *_a, **_k: said.append(text))
    find_decoder(_model("GPT2", GPT))
    assert said == []


def test_a_head_with_something_of_its_own_is_refused() -> None:
    model = _model("Llama", {})
    model.lm_head.register_forward_hook(lambda _m, _a, logits: logits + 3)
    with pytest.raises(ModelError, match="from the model's own logits"):
        find_decoder(model)


def test_an_unembedding_of_another_width_is_refused() -> None:
    model = _model("Llama", {})
    model.lm_head = nn.Linear(12, 99)
    with pytest.raises(ModelError, match=r"\(99, 12\), expected floats \[vocabulary, 16\]"):
        find_decoder(model)


def test_of_alike_logits_the_best_is_found_in_float32() -> None:
    model = _model("Llama", {})
    head = find_decoder(model.bfloat16()).head
    x = head.directions(torch.randn(50, 16, generator=torch.Generator().manual_seed(0)))
    exact = x.double() @ head.weight.double().T
    best, tokens = head.top(x, head.promoted(x), 3, part=True)
    torch.testing.assert_close(tokens, exact.topk(3).indices)
    torch.testing.assert_close(best.double(), exact.topk(3).values, atol=1e-4, rtol=1e-4)


def test_what_a_value_demotes_is_what_its_negative_promotes() -> None:
    for family, config in FAMILIES[2:3] + FAMILIES[10:11]:
        head = find_decoder(_model(family, config)).head
        x = torch.randn(4, 16)
        up, down = (head.promoted(head.directions(v)) for v in (x, -x))
        torch.testing.assert_close(up, -down)
        # The length of a value says nothing, and one of zeros nothing at all.
        torch.testing.assert_close(head.directions(7 * x), head.directions(x))
        assert not head.promoted(head.directions(0 * x)).any()
