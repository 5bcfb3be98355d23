"""The dimensions that edits index, whatever a model's config.json calls them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from profiles.errors import ModelError

_LAYERS = ("num_hidden_layers", "n_layer", "num_layers", "n_layers")
_HIDDEN = ("hidden_size", "n_embd", "d_model")
# The width of dense layers comes first: where a model mixes both kinds, only they have neurons.
# Llama 4 gives that another name, and uses the usual one for its experts.
_INTERMEDIATE = (
    "intermediate_size_mlp",
    "intermediate_size",
    "ffn_dim",
    "n_inner",
    "ffn_hidden_size",
    "moe_intermediate_size",
    "expert_intermediate_size",
)


@dataclass(frozen=True, kw_only=True)
class Dimensions:
    """Decoder layers, numbers of a hidden state, neurons of a layer."""

    layers: int
    hidden_size: int
    intermediate_size: int

    @classmethod
    def of(cls, config: Mapping[str, Any], origin: str) -> Dimensions:
        """Those of a model.

        Args:
            config: content of a config.json; of a multimodal model, the language model's part
                is used.
            origin: where it is from, for the error.

        Raises:
            ModelError: a dimension has none of the names known here.
        """
        text = config.get("text_config") or config
        hidden = _first(text, _HIDDEN, origin)
        # DBRX keeps that of its experts in a section. GPT-2 and BLOOM write nothing, or null, for
        # the usual four times the hidden size.
        places = (text, text.get("ffn_config") or {})
        widths = (place[k] for place in places for k in _INTERMEDIATE if place.get(k))
        return cls(
            layers=_first(text, _LAYERS, origin),
            hidden_size=hidden,
            intermediate_size=int(next(widths, 4 * hidden)),
        )


def _first(config: Mapping[str, Any], names: tuple[str, ...], origin: str) -> int:
    for name in names:
        if config.get(name):
            return int(config[name])
    raise ModelError(f"{origin} has none of {', '.join(names)}")
