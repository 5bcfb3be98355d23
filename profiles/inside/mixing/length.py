"""How long a text may be: parts and maps grow with the square of its length."""

from __future__ import annotations

from typing import Any

import torch

from profiles.errors import LangsteerError
from profiles.inside.mixing.split import targets_at_once
from profiles.models.model import LoadedModel

# Maps kept a layer at most, and passes: without an edit and with it.
_SCOPES, _PASSES = 6, 2


def room_for_parts(loaded: LoadedModel, tokens: int, neurons: int, memory_bytes: int) -> int:
    """Bytes of the memory that maps and attention leave; a text without room is refused.

    Args:
        loaded: the model.
        tokens: of the text.
        neurons: of a layer.
        memory_bytes: for parts and maps, beside the model.

    Raises:
        LangsteerError: it is too long for the memory or the model, or nothing in it can mix.
    """
    if tokens < 2:
        raise LangsteerError(f"the text is {tokens} token long: nothing can mix")
    reach = getattr(loaded.model.config.get_text_config(), "max_position_embeddings", None)
    if reach is not None and tokens > reach:
        raise LangsteerError(f"the text is {tokens} tokens long; the model reads at most {reach}")
    if not _fits(loaded, tokens, neurons, memory_bytes):
        raise LangsteerError(
            f"the text is {tokens} tokens long; in {memory_bytes / 2**30:.2g} GiB there is room "
            f"for {longest(loaded, neurons, memory_bytes, tokens)}, since maps grow with the "
            "square. Shorten it, or give more: --memory"
        )
    return _left(loaded, tokens, neurons, memory_bytes)


def longest(loaded: LoadedModel, neurons: int, memory_bytes: int, at_most: int = 1 << 20) -> int:
    """The most tokens, up to `at_most`, that fit; 0 where not even two do."""
    low, high = 1, at_most + 1
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (
            (middle, high) if _fits(loaded, middle, neurons, memory_bytes) else (low, middle)
        )
    return low if low > 1 else 0


def _fits(loaded: LoadedModel, tokens: int, neurons: int, memory_bytes: int) -> bool:
    left = _left(loaded, tokens, neurons, memory_bytes)
    hidden = int(loaded.model.config.get_text_config().hidden_size)
    return targets_at_once(tokens, hidden, neurons, _width(loaded), left) > 0


def _left(loaded: LoadedModel, tokens: int, neurons: int, memory_bytes: int) -> int:
    text: Any = loaded.model.config.get_text_config()
    hidden, heads = int(text.hidden_size), int(text.num_attention_heads)
    maps = 8 * tokens**2 * int(text.num_hidden_layers) * _SCOPES * _PASSES
    # Weights and what softmax makes them of; what heads write, and what gate and up read of it.
    attention = _width(loaded) * tokens * heads * (3 * tokens + 2 * hidden + 2 * neurons)
    return memory_bytes - maps - attention


def _width(loaded: LoadedModel) -> int:
    return 8 if loaded.model.dtype == torch.float64 else 4
