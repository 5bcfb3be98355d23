"""The maps of every layer of a model for one text, unsteered or steered."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import nullcontext

import torch

from profiles.compose import Composed, compose
from profiles.errors import LangsteerError, ModelError
from profiles.inside.mixing.edit_here import edit_here
from profiles.inside.mixing.maps import LayerMaps
from profiles.inside.mixing.split import split_layer, targets_at_once
from profiles.inside.mixing.trace import Trace, traced
from profiles.models.architecture import find_dense_ffns
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel
from profiles.profile import Edit

# Maps kept a layer at most, and passes: without an edit and with it.
_SCOPES, _PASSES = 6, 2


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
        LangsteerError: the text is too long for the memory, or shorter than two tokens.
    """
    ffns = find_dense_ffns(loaded.model, down_projection)
    _check_length(loaded, len(ids), len(ffns), ffns[0].intermediate_size, memory_limit)
    composed = compose(edit, []) if isinstance(edit, Edit) else edit
    out: list[LayerMaps] = []

    def take(trace: Trace) -> None:
        like = trace.input if trace.input.element_size() > 4 else trace.input.float()
        here = edit_here(composed, trace.layer, strength, like) if composed else None
        out.append(split_layer(trace, here, memory_limit // 2))
        progress(len(out), len(ffns))

    steer = (
        edited(loaded.model, composed, strength, down_projection=down_projection)
        if composed
        else nullcontext()
    )
    with steer:
        traced(loaded.model, ffns, torch.tensor([*ids], device=loaded.device), take)
    return out


def _check_length(
    loaded: LoadedModel, tokens: int, layers: int, neurons: int, memory_limit: int
) -> None:
    if tokens < 2:
        raise LangsteerError(f"the text is {tokens} token long: nothing can mix")
    text = loaded.model.config.get_text_config()
    reach = getattr(text, "max_position_embeddings", None)
    if reach is not None and tokens > reach:
        raise ModelError(f"the text is {tokens} tokens long; the model reads at most {reach}")
    hidden, heads = int(text.hidden_size), int(text.num_attention_heads)
    width = 8 if loaded.model.dtype == torch.float64 else 4

    def fits(length: int) -> bool:
        kept = 8 * length**2 * layers * _SCOPES * _PASSES
        attention = width * length * heads * (3 * length + hidden)
        left = memory_limit - kept - attention
        return targets_at_once(length, hidden, neurons, width, min(left, memory_limit // 2)) > 0

    if not fits(tokens):
        most = max((n for n in range(2, tokens) if fits(n)), default=0)
        raise LangsteerError(
            f"the text is {tokens} tokens long; in {memory_limit / 2**30:.2g} GiB there is room "
            f"for {most}, since maps grow with the square. Shorten it, or give more: --memory"
        )
