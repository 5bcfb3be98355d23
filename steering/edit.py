"""The affine edit, per token, as plain torch that torch.compile can see through.

Shape suffixes: T tokens in the step, I neurons of the layer, C edited columns,
R table rows, H hidden size.
"""

from __future__ import annotations

import torch
from torch import Tensor


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
    offset_TH = offset_RH.index_select(0, row_T)
    edited_TH = torch.addcmul(h_TH.to(torch.float32), strength_T.unsqueeze(1), offset_TH)
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
