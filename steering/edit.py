"""The edits, per token, as plain torch that torch.compile can see through.

Shape suffixes: T tokens in the step, I neurons of the layer, C edited columns,
R table rows, M memories, H hidden size.
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


def memory_gains(x_TH: Tensor, key_MH: Tensor, bias_M: Tensor) -> Tensor:
    """How far each token turns each memory on: 2 * sigmoid(key . x + bias), from 0 to 2.

    x is divided by its root mean square first. A memory with key and bias 0 is on by 1, and so an
    offset. Apart from `edit_output`, because an FFN may overwrite what it is given.

    Args:
        x_TH: the FFN's input, before the FFN runs.
        key_MH, bias_M: float32, of the memories (`MemoryBank`).

    Returns:
        float32 [T, M].
    """
    x32_TH = x_TH.to(torch.float32)
    scale_T1 = torch.rsqrt(x32_TH.square().mean(1, keepdim=True) + INPUT_EPSILON)
    # One product for all memories and tokens: what a token's row has on is chosen afterwards.
    return 2 * torch.sigmoid((x32_TH @ key_MH.t()) * scale_T1 + bias_M)


def edit_output(
    h_TH: Tensor,
    on_RM: Tensor,
    value_MH: Tensor,
    row_T: Tensor,
    strength_T: Tensor,
    gain_TM: Tensor | None = None,
) -> Tensor:
    """h' = h + strength * sum over memories of on[row] * gain * value, on the FFN's output.

    More memories in the FFN (Geva et al. 2021), their keys reading its input, of which each row has
    some. Arithmetic in float32, rounded once; tokens of row 0 keep every bit of h.

    Args:
        h_TH: the FFN's output, after the tensor parallel reduction, before any norm.
        on_RM: float32 table, 1 where the row has the memory and 0 elsewhere.
        value_MH: float32, of the memories.
        row_T, strength_T: as in `edit_neurons`.
        gain_TM: `memory_gains` of the same tokens; None where all are on by 1.

    Returns:
        A tensor like h_TH.
    """
    on_TM = on_RM.index_select(0, row_T)
    if gain_TM is not None:
        on_TM = on_TM * gain_TM
    edited_TH = torch.addcmul(h_TH.to(torch.float32), strength_T.unsqueeze(1), on_TM @ value_MH)
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
