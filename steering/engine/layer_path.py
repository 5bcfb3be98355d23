"""Which decoder layer a module of a vLLM model belongs to, by its path."""

from __future__ import annotations

import re

_LAYER = re.compile(r"(?:^|\.)(?:layers|h|blocks)\.(\d+)(?:\.|$)")


def layer_path(path: str) -> tuple[int, str] | None:
    """(global index of the decoder layer, path below it) of a module; None outside of them.

    The path below is "" for the layer itself.
    """
    match = _LAYER.search(path)
    return (int(match[1]), path[match.end() :]) if match else None
