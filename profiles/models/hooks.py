"""Apply a profile's edit to a transformers model by hooks: the offline twin of steering/."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any

import torch
from torch import Tensor, nn

from profiles.compose import Composed, compose
from profiles.errors import ModelError
from profiles.models.architecture import find_ffns
from profiles.models.ffn import FFN, DenseFFN
from profiles.models.gate import gate
from profiles.profile import Edit

# Which positions of the running forward pass are edited; None for all of them.
_Positions = dict[str, Tensor | None]


@contextmanager
def edited(
    model: nn.Module,
    edit: Edit | Composed,
    strength: float | Sequence[float] = 1.0,
    first_position: int | Sequence[int] = 0,
    *,
    down_projection: str | None = None,
) -> Iterator[None]:
    """Within the block, every forward pass of `model` is edited; afterwards none is.

    Neurons: y' = y + strength * (add + scale * y), y the down projection's input. Outputs:
    h' = h + strength * (value + sum of gate * memory), h the FFN's output, value an offset and each
    `gate` what the memory's key makes of the FFN's input. All in float32, then cast back.

    Args:
        model: a transformers decoder; KV cache and left-padded batches are understood.
        edit: what to change; a target and suppressed languages together are a `Composed`.
        strength: factor on the edit; a number, or one a row.
        first_position: edit from this token position on, BOS being 0; an int, or one a row.
        down_projection: see `find_ffns`.

    Raises:
        ModelError: see `find_ffns`; or neurons are to be edited in a mixture of experts, or
            memories where no module gets the FFN's input.
    """
    composed = compose(edit, []) if isinstance(edit, Edit) else edit
    ffns = find_ffns(model, down_projection)
    positions: _Positions = {"mask": None}
    with ExitStack() as stack:
        if not (isinstance(first_position, int) and first_position <= 0):
            hook = _position_hook(positions, first_position)
            stack.callback(model.register_forward_pre_hook(hook, with_kwargs=True).remove)
        factor = torch.as_tensor(strength, device=next(model.parameters()).device).float()
        for ffn in ffns:
            for undo in _layer_hooks(ffn, composed, factor, positions):
                stack.callback(undo)
        yield


def _layer_hooks(
    ffn: FFN, composed: Composed, strength: Tensor, positions: _Positions
) -> Iterator[Callable[[], None]]:
    parameter = next(ffn.output.parameters())
    if here := composed.neurons.get(ffn.layer):
        if not isinstance(ffn, DenseFFN):
            raise ModelError(
                f"the edit changes neurons of layer {ffn.layer}, which is a mixture of experts "
                f"({ffn.path}): only its output can be edited. Learn memories: `langsteer "
                "profile` with the default --method"
            )
        index = torch.tensor(here.neuron, dtype=torch.int64, device=parameter.device)
        add = torch.tensor(here.add, device=parameter.device)
        scale = torch.tensor(here.scale, device=parameter.device)

        def before(_module: nn.Module, args: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
            y = args[0]
            # One gather and one write touch the edited columns only: all others stay bit-exact.
            columns = y[..., index].float()
            delta = _where(_times(strength, add + scale * columns), positions)
            out = y.clone()
            out[..., index] = (columns + delta).to(y.dtype)
            return (out, *args[1:])

        yield ffn.down.register_forward_pre_hook(before).remove
    offset = composed.offsets.get(ffn.layer)
    offset_H = torch.tensor(0.0 if offset is None else offset, device=parameter.device)

    def move(h: Tensor, delta: Tensor) -> Tensor:
        delta = _where(_times(strength, delta.expand(h.shape)), positions)
        return (h.float() + delta).to(h.dtype)

    if memories := composed.memories.get(ffn.layer):
        key_MH, bias_M, value_MH = (
            torch.tensor(array, device=parameter.device)
            for array in (memories.key, memories.bias, memories.value)
        )

        def remember(x: Tensor, h: Tensor) -> Tensor:
            opened = gate(x, key_MH, bias_M).reshape(*h.shape[:-1], len(bias_M))
            return move(h, offset_H + opened @ value_MH)

        yield ffn.on_both(remember)
    elif offset is not None:
        yield ffn.on_output(lambda h: move(h, offset_H)).remove


def _times(strength: Tensor, delta: Tensor) -> Tensor:
    if strength.ndim == 0:
        return strength * delta
    # OPT folds batch and sequence into one axis before its FFN: its rows are runs of positions.
    per_row = strength.repeat_interleave(delta[..., 0].numel() // len(strength))
    return per_row.reshape(*delta.shape[:-1], 1) * delta


def _where(delta: Tensor, positions: _Positions) -> Tensor:
    mask = positions["mask"]
    if mask is None:
        return delta
    # OPT folds batch and sequence into one axis before its FFN.
    return delta * mask.reshape(*delta.shape[:-1], 1)


def _position_hook(
    positions: _Positions, first_position: int | Sequence[int]
) -> Callable[[nn.Module, tuple[Any, ...], dict[str, Any]], None]:
    def hook(_module: nn.Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        tokens = kwargs.get("input_ids")
        tokens = args[0] if tokens is None else tokens
        rows, width = tokens.shape
        cache = kwargs.get("past_key_values")
        past = int(cache.get_seq_length()) if cache is not None else 0
        mask = kwargs.get("attention_mask")
        if mask is None:
            at = torch.arange(past, past + width, device=tokens.device).expand(rows, width)
        else:  # left padding does not count
            at = (mask.long().cumsum(-1) - 1)[:, -width:]
        first = torch.as_tensor(first_position, device=tokens.device).reshape(-1, 1)
        positions["mask"] = (at >= first).float()

    return hook
