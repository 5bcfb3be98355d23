"""A model that learns nothing while something else does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def frozen(model: nn.Module) -> Iterator[None]:
    """Within the block the model is in inference mode and its weights want no gradient."""
    training = model.training
    wanted = [p for p in model.parameters() if p.requires_grad]
    model.eval()
    for p in wanted:
        p.requires_grad_(False)
    try:
        yield
    finally:
        model.train(training)
        for p in wanted:
            p.requires_grad_(True)
