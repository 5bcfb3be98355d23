"""The maps of every layer of a model for one text, unsteered or steered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch

from profiles.compose import Composed, compose
from profiles.inside.mixing.edit_here import edit_here
from profiles.inside.mixing.length import room_for_parts
from profiles.inside.mixing.maps import LayerMaps
from profiles.inside.mixing.split import split_layer
from profiles.inside.mixing.trace import Trace, traced
from profiles.models.architecture import find_dense_ffns
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel
from profiles.profile import Edit


def contextualize(
    loaded: LoadedModel,
    ids: Sequence[int],
    *,
    edit: Edit | Composed | None = None,
    strength: float = 1.0,
    memory_limit: int = 2 << 30,
    progress: Callable[[int, int], None] = lambda _done, _total: None,
    down_projection: str | None = None,
) -> list[LayerMaps]:
    """Norm-based maps before and after each part of the feed-forward block, layer by layer.

    A layer is split while it is the last that ran, so that of the [T, T, hidden_size] parts only a
    chunk of targets of one layer is in memory.

    Args:
        loaded: a causal model.
        ids: of one text.
        edit: steers every position; None for the model as it is.
        strength: factor on the edit.
        memory_limit: bytes for parts and maps.
        progress: called with (layers done, layers).
        down_projection: see `find_ffns`.

    Raises:
        ModelError: the model's layers are not understood, or their parts do not sum to what it
            computed.
        LangsteerError: the text is too long for the memory or the model, or is but one token.
    """
    ffns = find_dense_ffns(loaded.model, down_projection)
    room = room_for_parts(loaded, len(ids), ffns[0].intermediate_size, memory_limit)
    composed = compose(edit, []) if isinstance(edit, Edit) else edit
    out: list[LayerMaps] = []

    def take(trace: Trace) -> None:
        like = trace.input if trace.input.element_size() > 4 else trace.input.float()
        here = edit_here(composed, trace.layer, strength, like) if composed else None
        out.append(split_layer(trace, here, room))
        progress(len(out), len(ffns))

    steer = (
        edited(loaded.model, composed, strength, down_projection=down_projection)
        if composed
        else nullcontext()
    )
    with steer:
        traced(loaded.model, ffns, torch.tensor([*ids], device=loaded.device), take)
    return out
