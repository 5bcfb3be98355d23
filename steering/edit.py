"""The edits, per token, as plain torch that torch.compile can see through.

Shape suffixes: T tokens in the step, I neurons of the layer, C edited columns,
R table rows, H hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor

from profiles.profile import INPUT_EPSILON


def edit_neurons(
    y_TI: Tensor,
    columns_C: Tensor,
    add_RC: Tensor,
    scale_RC: Tensor,
    row_T: Tensor,
    strength_T: Tensor,
) -> Tensor:
    """y' = y + strength * (add[row] + scale[row] * y) on the edited columns, in place.

    Only C columns are read and written, so the cost follows the edited neurons and not
    the FFN's width. The arithmetic is float32, rounded once to y's dtype. Tokens of row 0
    keep every bit of y.

    Args:
        y_TI: post-activation neuron vectors; overwritten.
        columns_C: int64, distinct column indices into I.
        add_RC, scale_RC: float32 tables; row 0 is never read as an edit.
        row_T: int64 row of each token; strength_T: float32 factor of each token.

    Returns:
        y_TI, edited.
    """
    y_TC = y_TI.index_select(1, columns_C)
    y32_TC = y_TC.to(torch.float32)
    change_TC = torch.addcmul(
        add_RC.index_select(0, row_T), scale_RC.index_select(0, row_T), y32_TC
    )
    edited_TC = _rounded(torch.addcmul(y32_TC, strength_T.unsqueeze(1), change_TC), y_TI.dtype)
    steered_T1 = (row_T != 0).unsqueeze(1)
    return y_TI.index_copy_(1, columns_C, torch.where(steered_T1, edited_TC, y_TC))


def edit_output(h_TH: Tensor, offset_RH: Tensor, row_T: Tensor, strength_T: Tensor) -> Tensor:
    """h' = h + strength * offset[row] on the FFN's output.

    The FFN as a key-value memory (Geva et al. 2021) with one more memory that is always on.
    Arithmetic in float32, rounded once; tokens of row 0 keep every bit of h.

    Args:
        h_TH: the FFN's output, after the tensor parallel reduction, before any norm.
        offset_RH: float32 table. row_T, strength_T: as in `edit_neurons`.

    Returns:
        A tensor like h_TH.
    """
    return _moved(h_TH, offset_RH.index_select(0, row_T), row_T, strength_T)


def memory_gain(x_TH: Tensor, key_RH: Tensor, bias_R: Tensor, row_T: Tensor) -> Tensor:
    """How far each token turns its row's memory on: 2 * sigmoid(key[row] . x + bias[row]), 0 to 2.

    x is divided by its root mean square first. A memory with key and bias 0 is on by 1, and so an
    offset. Apart from `edit_memory`, because an FFN may overwrite what it is given.

    Args:
        x_TH: the FFN's input, before the FFN runs.
        key_RH, bias_R: float32 tables. row_T: as in `edit_neurons`.

    Returns:
        float32 [T].
    """
    x32_TH = x_TH.to(torch.float32)
    dot_T = (x32_TH * key_RH.index_select(0, row_T)).sum(1)
    scale_T = torch.rsqrt(x32_TH.square().mean(1) + INPUT_EPSILON)
    return 2 * torch.sigmoid(dot_T * scale_T + bias_R.index_select(0, row_T))


def edit_memory(
    h_TH: Tensor,
    gain_T: Tensor,
    value_RH: Tensor,
    row_T: Tensor,
    strength_T: Tensor,
    offset_RH: Tensor | None = None,
) -> Tensor:
    """h' = h + strength * (gain * value[row] + offset[row]) on the FFN's output.

    One more memory in the FFN (Geva et al. 2021), whose key reads the FFN's input. With the row's
    offset, if there is one, so that both are rounded once. Rows without a memory have the value 0,
    which changes nothing; tokens of row 0 keep every bit of h.

    Args:
        gain_T: `memory_gain` of the same tokens.
        value_RH: float32 table. h_TH, offset_RH, row_T, strength_T: as in `edit_output`.

    Returns:
        A tensor like h_TH.
    """
    change_TH = gain_T.unsqueeze(1) * value_RH.index_select(0, row_T)
    if offset_RH is not None:
        change_TH = change_TH + offset_RH.index_select(0, row_T)
    return _moved(h_TH, change_TH, row_T, strength_T)


def _moved(h_TH: Tensor, change_TH: Tensor, row_T: Tensor, strength_T: Tensor) -> Tensor:
    edited_TH = torch.addcmul(h_TH.to(torch.float32), strength_T.unsqueeze(1), change_TH)
    return torch.where((row_T != 0).unsqueeze(1), _rounded(edited_TH, h_TH.dtype), h_TH)


def _rounded(x: Tensor, dtype: torch.dtype) -> Tensor:
    """To `dtype`; what float16 cannot hold becomes its largest number and not infinite.

    Infinity soon is no number at all, stays in the KV cache's blocks, and would be read there by
    requests that get them next. The other formats hold all that a profile may ask for.
    """
    if dtype == torch.float16:
        limit = torch.finfo(dtype).max
        x = x.clamp(-limit, limit)
    return x.to(dtype)
