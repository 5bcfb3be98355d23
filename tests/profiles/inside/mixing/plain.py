"""Norm-based maps as one would first write them: pair by pair, IG by summing gradients.

Nothing of profiles.inside is used. What a family computes is written down here from its
description; only attention weights come from the model.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

STEPS = 1000
Parts = dict[tuple[int, int], Tensor]  # (target, source) → vector; source −1 is a steering edit


def plain_maps(name: str, model: Any, ids: list[int], composed: Any = None) -> list[Any]:
    """By layer, {scope: (norms [T, T], context [T], edit [T])}."""
    seen: dict[int, Tensor] = {}
    layers = _layers(name, model)
    hooks = [
        layer.register_forward_pre_hook(
            lambda _m, args, kwargs, n=n: seen.__setitem__(
                n, (args[0] if args else kwargs["hidden_states"])[0].detach()
            ),
            with_kwargs=True,
        )
        for n, layer in enumerate(layers)
    ]
    model.set_attn_implementation("eager")
    with torch.no_grad():
        weights = model(torch.tensor([ids]), output_attentions=True).attentions
    for hook in hooks:
        hook.remove()
    return [
        _layer(name, model.config, layer, seen[n], weights[n][0], _edit(composed, n))
        for n, layer in enumerate(layers)
    ]


def _layer(name: str, config: Any, layer: Any, x: Tensor, alpha: Tensor, edit: Any) -> Any:
    family = name.partition("-")[0]
    attention, norms = _attention(family, layer), _norms(family, layer)
    tokens, eps = len(x), _eps(config)
    into = norms["before"](x) if norms["before"] else x
    value, out_weight, out_bias = attention(into)
    heads, size = alpha.shape[0], out_weight.shape[1] // alpha.shape[0]
    parts: Parts = {}
    for i in range(tokens):
        for j in range(i + 1):
            part = torch.zeros_like(x[0])
            for head in range(heads):
                group = head // (heads // (value.shape[1] // size))
                v = value[j, group * size : (group + 1) * size]
                part = part + alpha[head, i, j] * out_weight[:, head * size :][:, :size] @ v
            parts[i, j] = part + (out_bias if i == j else 0)
    parts = _split_norm(norms["attention_out"], parts, tokens, eps)
    for i in range(tokens):
        parts[i, i] = parts[i, i] + x[i]
    base = _split_norm(norms["stream"], parts, tokens, eps)
    out = {"attention": base}
    parts = _split_norm(norms["ffn_in"], base, tokens, eps)
    if norms["ffn_in"]:
        out["pre_norm"] = parts
    parts = _split_ffn(_ffn(family, layer), parts, tokens, edit)
    out["ff"] = parts
    parts = _split_norm(norms["ffn_out"], parts, tokens, eps)
    if norms["ffn_out"]:
        out["post_norm"] = parts
    parts = {at: parts[at] + base.get(at, 0) for at in parts}
    out["residual"] = parts
    if norms["last"]:
        out["last_norm"] = _split_norm(norms["last"], parts, tokens, eps)
    return {scope: _norms_of(found, tokens) for scope, found in out.items()}


def _norms_of(parts: Parts, tokens: int) -> Any:
    norms = torch.zeros(tokens, tokens)
    context, edit = torch.zeros(tokens), torch.zeros(tokens)
    for i in range(tokens):
        total = torch.zeros_like(parts[0, 0])
        for j in range(i + 1):
            norms[i, j] = parts[i, j].norm()
            total = total + (parts[i, j] if i != j else 0)
        context[i] = total.norm()
        edit[i] = parts[i, -1].norm() if (i, -1) in parts else 0
    return norms.numpy(), context.numpy(), edit.numpy()


def _split_norm(norm: Any, parts: Parts, tokens: int, eps: float) -> Parts:
    if norm is None:
        return parts
    gain, bias, centred = norm.parts
    out: Parts = {}
    for i in range(tokens):
        mine = {j: part for (target, j), part in parts.items() if target == i}
        whole = sum(mine.values())
        whole = whole - whole.mean() if centred else whole
        scale = 1 / torch.sqrt(whole.square().mean() + eps)
        for j, part in mine.items():
            moved = part - part.mean() if centred else part
            out[i, j] = moved * scale * gain + (bias if i == j else 0)
    return out


def _split_ffn(ffn: Any, parts: Parts, tokens: int, edit: Any) -> Parts:
    """Integrated gradients by the midpoint rule, through the whole gated or plain activation."""
    out: Parts = {}
    for i in range(tokens):
        sources = [j for target, j in parts if target == i]
        g = {j: ffn.gate @ parts[i, j] for j in sources}
        u = {j: ffn.up @ parts[i, j] for j in sources} if ffn.up is not None else None
        if ffn.gate_bias is not None:
            g[i] = g[i] + ffn.gate_bias
        if u is not None and ffn.up_bias is not None:
            u[i] = u[i] + ffn.up_bias
        y = _integrated(ffn.act, g, u)
        y[-1] = torch.zeros_like(y[i])
        if edit is not None:
            _edit_neurons(y, edit)
        h = {j: ffn.down @ value for j, value in y.items()}
        if ffn.down_bias is not None:
            h[i] = h[i] + ffn.down_bias
        if edit is not None:
            _edit_output(h, {j: parts[i, j] for j in sources}, edit)
        else:
            del h[-1]
        out |= {(i, j): value for j, value in h.items()}
    return out


def _integrated(act: Callable[[Tensor], Tensor], g: Any, u: Any) -> dict[int, Tensor]:
    alpha = ((torch.arange(STEPS) + 0.5) / STEPS)[:, None].double()
    at_g = (alpha * sum(g.values())).requires_grad_()
    at_u = (alpha * sum(u.values())).requires_grad_() if u is not None else None
    value = act(at_g) if at_u is None else act(at_g) * at_u
    wanted = [at_g] if at_u is None else [at_g, at_u]
    slopes = [slope.mean(0) for slope in torch.autograd.grad(value.sum(), wanted)]
    return {j: slopes[0] * g[j] + (slopes[1] * u[j] if u is not None else 0) for j in g}


def _edit(composed: Any, layer: int) -> Any:
    if composed is None:
        return None
    return {
        "neurons": composed.neurons.get(layer),
        "offset": composed.offsets.get(layer),
        "memories": composed.memories.get(layer),
    }


def _edit_neurons(y: dict[int, Tensor], edit: Any) -> None:
    if edit["neurons"] is None:
        return
    triples = zip(edit["neurons"].neuron, edit["neurons"].add, edit["neurons"].scale, strict=True)
    for neuron, add, scale in triples:
        for value in y.values():
            value[neuron] *= 1 + float(scale)
        y[-1][neuron] += float(add)


def _edit_output(h: dict[int, Tensor], parts: dict[int, Tensor], edit: Any) -> None:
    if edit["offset"] is not None:
        h[-1] = h[-1] + torch.tensor(edit["offset"])
    if edit["memories"] is None:
        return
    whole = sum(parts.values())
    rms = torch.sqrt(whole.square().mean() + 1e-6)
    for key, bias, value in zip(
        edit["memories"].key, edit["memories"].bias, edit["memories"].value, strict=True
    ):
        z = {j: torch.tensor(key).double() @ part / rms for j, part in parts.items()}

        def gate(at: Tensor, bias: float = float(bias)) -> Tensor:
            return 2 * torch.sigmoid(at + bias)

        found = _integrated(gate, {j: at[None] for j, at in z.items()}, None)
        for j, share in found.items():
            h[j] = h[j] + share * torch.tensor(value).double()
        h[-1] = h[-1] + gate(torch.zeros(1).double()) * torch.tensor(value).double()


class _Norm:
    def __init__(self, module: Any, *, gemma: bool = False) -> None:
        weight = module.weight.detach()
        bias = getattr(module, "bias", None)
        centred = isinstance(module, torch.nn.LayerNorm)
        self.parts = (
            weight + 1 if gemma else weight,
            bias.detach() if bias is not None else 0,
            centred,
        )
        self._module = module

    def __call__(self, x: Tensor) -> Tensor:
        with torch.no_grad():
            return self._module(x)  # type: ignore[no-any-return]


class _FFN:
    def __init__(self, act: Any, gate: Any, up: Any, down: Any, *, conv: bool = False) -> None:
        def weight(module: Any) -> Any:
            return None if module is None else (module.weight.T if conv else module.weight).detach()

        def bias(module: Any) -> Any:
            found = getattr(module, "bias", None)
            return None if found is None else found.detach()

        self.act = act
        self.gate, self.up, self.down = weight(gate), weight(up), weight(down)
        self.gate_bias, self.up_bias, self.down_bias = bias(gate), bias(up), bias(down)


def _layers(name: str, model: Any) -> Any:
    if name.startswith("gpt2"):
        return model.transformer.h
    return model.model.decoder.layers if name.startswith("opt") else model.model.layers


def _eps(config: Any) -> float:
    for name in ("rms_norm_eps", "layer_norm_epsilon"):
        if hasattr(config, name):
            return float(getattr(config, name))
    return 1e-5


def _attention(family: str, layer: Any) -> Callable[[Tensor], tuple[Tensor, Tensor, Any]]:
    """From the attention's input to (values [T, groups × size], output weight, output bias)."""

    def found(x: Tensor) -> tuple[Tensor, Tensor, Any]:
        with torch.no_grad():
            if family == "gpt2":
                out = layer.attn.c_proj
                return layer.attn.c_attn(x)[:, 32:], out.weight.T.detach(), out.bias.detach()
            if family == "phi3":
                out = layer.self_attn.o_proj
                return layer.self_attn.qkv_proj(x)[:, 24:], out.weight.detach(), 0
            out = layer.self_attn.out_proj if family == "opt" else layer.self_attn.o_proj
            bias = 0 if out.bias is None else out.bias.detach()
            return layer.self_attn.v_proj(x), out.weight.detach(), bias

    return found


def _norms(family: str, layer: Any) -> dict[str, Any]:
    names = {
        "gpt2": {"before": "ln_1", "ffn_in": "ln_2"},
        "olmo2": {
            "attention_out": "post_attention_layernorm",
            "ffn_out": "post_feedforward_layernorm",
        },
        "opt": {"stream": "self_attn_layer_norm", "last": "final_layer_norm"},
        "gemma3": {
            "before": "input_layernorm",
            "attention_out": "post_attention_layernorm",
            "ffn_in": "pre_feedforward_layernorm",
            "ffn_out": "post_feedforward_layernorm",
        },
    }.get(family, {"before": "input_layernorm", "ffn_in": "post_attention_layernorm"})
    every = ("before", "attention_out", "stream", "ffn_in", "ffn_out", "last")
    gemma = family == "gemma3"
    return {
        name: _Norm(getattr(layer, names[name]), gemma=gemma) if name in names else None
        for name in every
    }


def _ffn(family: str, layer: Any) -> _FFN:
    if family == "gpt2":
        mlp = layer.mlp
        return _FFN(mlp.act, mlp.c_fc, None, mlp.c_proj, conv=True)
    if family == "opt":
        return _FFN(layer.activation_fn, layer.fc1, None, layer.fc2)
    if family == "phi3":
        fused = layer.mlp.gate_up_proj.weight
        gate, up = (torch.nn.Linear(1, 1, bias=False) for _ in range(2))
        gate.weight = torch.nn.Parameter(fused[: len(fused) // 2].detach())
        up.weight = torch.nn.Parameter(fused[len(fused) // 2 :].detach())
        return _FFN(layer.mlp.activation_fn, gate, up, layer.mlp.down_proj)
    mlp = layer.mlp
    return _FFN(mlp.act_fn, mlp.gate_proj, mlp.up_proj, mlp.down_proj)
