"""The value vectors of an FFN's neurons: what each adds to the output per unit of activation."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from profiles.errors import ModelError
from profiles.models.ffn import DenseFFN


def value_vectors(ffn: DenseFFN) -> Tensor:
    """float32 [hidden_size, neurons]: column i is neuron i's value (Geva et al. 2021, section 2).

    Raises:
        ModelError: the down projection keeps no plain weight, as with most quantized models.
    """
    weight: Any = getattr(ffn.down, "weight", None)
    shape = (ffn.hidden_size, ffn.intermediate_size)
    if weight is None or not weight.is_floating_point() or weight.ndim != 2:
        raise ModelError(
            f"layer {ffn.layer}: {ffn.path} is a {type(ffn.down).__name__} without a plain weight; "
            "editing by value vectors needs an unquantized model"
        )
    values: Tensor = weight.detach().float()
    # GPT-2's Conv1D keeps the transpose of what a linear layer keeps.
    return (
        values if tuple(values.shape) == shape and type(ffn.down).__name__ != "Conv1D" else values.T
    )
