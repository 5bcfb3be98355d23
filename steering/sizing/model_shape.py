"""What a decoder model holds and reads for a token, from its config alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from profiles.errors import ModelError
from profiles.models.dimensions import Dimensions

# FFNs of two matrices; all others have a gate as well.
_UNGATED = frozenset(
    {
        *("biogpt", "bloom", "codegen", "falcon", "gpt2", "gpt_bigcode", "gpt_neo", "gpt_neox"),
        *("gptj", "mpt", "nemotron", "opt", "phi", "starcoder2", "xglm"),
    }
)
_FULL, _SLIDING = "full_attention", "sliding_attention"
_EXPERTS = ("num_local_experts", "num_experts", "n_routed_experts")


@dataclass(frozen=True, kw_only=True)
class ModelShape:
    """Numbers of weights and of cached positions; norms, biases and learned positions left out.

    Attributes:
        layers, hidden_size, intermediate_size: dimensions that edits index.
        attention_weights: of a layer's projections.
        kv_numbers: that a layer keeps for a position.
        kv_heads: over which tensor ranks can spread these; 1 where all need the same.
        position_flops: of a layer's attention, for a token and one position that it looks at.
        window: positions that `sliding_layers` look back at most; the others see all.
        dense_weights: of a dense layer's FFN, of which there are `layers - moe_layers`.
        experts, experts_per_token, expert_weights: of a mixture's layer, each expert's weights.
        shared_weights: that every token of a mixture's layer reads: shared experts, router.
        embedding_weights, head_weights: the head's are 0 where it is the embedding over again.
        vocabulary_weights: that the projection to the vocabulary reads.
    """

    layers: int
    hidden_size: int
    intermediate_size: int
    attention_weights: int
    kv_numbers: int
    kv_heads: int
    position_flops: int
    sliding_layers: int
    window: int
    moe_layers: int
    dense_weights: int
    experts: int
    experts_per_token: int
    expert_weights: int
    shared_weights: int
    embedding_weights: int
    head_weights: int
    vocabulary_weights: int

    @classmethod
    def of(cls, config: Mapping[str, Any], origin: str) -> ModelShape:
        """The shape of a model.

        Args:
            config: of the language model, by the names of config.json; what is missing or None is
                as most families have it.
            origin: where it is from, for errors.

        Raises:
            ModelError: dimensions are missing, or layers are of a kind that is not counted here.
        """
        sizes = Dimensions.of(config, origin)
        hidden, layers = sizes.hidden_size, sizes.layers
        attention = _Attention.of(config, hidden, origin)
        matrices = 2 if config.get("model_type") in _UNGATED else 3
        experts = next((int(config[name]) for name in _EXPERTS if config.get(name)), 0)
        width = int(config.get("moe_intermediate_size") or sizes.intermediate_size)
        shared = int(config.get("n_shared_experts") or 0) * width
        shared += int(config.get("shared_expert_intermediate_size") or 0)
        dense = int(config.get("first_k_dense_replace") or 0)
        dense += len(config.get("mlp_only_layers") or ())
        vocabulary = _needed(config, "vocab_size", origin) * hidden
        sliding, window = _sliding(config, layers, origin)
        return cls(
            layers=layers,
            hidden_size=hidden,
            intermediate_size=sizes.intermediate_size,
            attention_weights=attention.weights,
            kv_numbers=attention.kv_numbers,
            kv_heads=attention.kv_heads,
            position_flops=attention.position_flops,
            sliding_layers=sliding,
            window=window,
            moe_layers=max(0, layers - dense) if experts else 0,
            dense_weights=matrices * hidden * sizes.intermediate_size,
            experts=experts,
            experts_per_token=_needed(config, "num_experts_per_tok", origin) if experts else 0,
            expert_weights=matrices * hidden * width if experts else 0,
            shared_weights=hidden * (matrices * shared + experts) if experts else 0,
            embedding_weights=vocabulary,
            head_weights=0 if config.get("tie_word_embeddings") else vocabulary,
            vocabulary_weights=vocabulary,
        )

    @property
    def weights(self) -> int:
        """All of them: the model's number of parameters."""
        mixture = self.moe_layers * self.experts * self.expert_weights
        return self._read_by_all + mixture - self.vocabulary_weights + self._vocabulary_held

    @property
    def active_weights(self) -> int:
        """Those that take part in every token, two operations each: without the vocabulary's.

        The vocabulary is for tokens that another one is sampled after, not for a prompt's.
        """
        chosen = self.moe_layers * self.experts_per_token * self.expert_weights
        return self._read_by_all - self.vocabulary_weights + chosen

    def weights_read(self, tokens: int) -> float:
        """How many weights a step reads for so many tokens, each once.

        Of a mixture's experts those that any token chose, expected where all are as likely.
        """
        if not self.experts:
            return float(self._read_by_all)
        untouched = (1 - self.experts_per_token / self.experts) ** tokens
        return (
            self._read_by_all
            + self.moe_layers * self.experts * (1 - untouched) * self.expert_weights
        )

    def positions(self, context: int) -> int:
        """Positions that a token looks at, summed over the layers."""
        full = (self.layers - self.sliding_layers) * context
        return full + self.sliding_layers * min(context, self.window)

    @property
    def _read_by_all(self) -> int:
        dense = (self.layers - self.moe_layers) * self.dense_weights
        return (
            self.layers * self.attention_weights
            + dense
            + self.moe_layers * self.shared_weights
            + self.vocabulary_weights
        )

    @property
    def _vocabulary_held(self) -> int:
        return self.embedding_weights + self.head_weights


@dataclass(frozen=True, kw_only=True)
class _Attention:
    weights: int
    kv_numbers: int
    kv_heads: int
    position_flops: int

    @classmethod
    def of(cls, config: Mapping[str, Any], hidden: int, origin: str) -> _Attention:
        heads = _needed(config, "num_attention_heads", origin, "n_head")
        latent = int(config.get("kv_lora_rank") or 0)
        if latent:
            return cls._latent(config, hidden, heads, latent, origin)
        kv_heads = int(config.get("num_key_value_heads") or heads)
        size = int(config.get("head_dim") or hidden // heads)
        return cls(
            weights=2 * hidden * size * (heads + kv_heads),
            kv_numbers=2 * kv_heads * size,
            kv_heads=kv_heads,
            position_flops=4 * heads * size,
        )

    @classmethod
    def _latent(
        cls, config: Mapping[str, Any], hidden: int, heads: int, latent: int, origin: str
    ) -> _Attention:
        """Multi-head latent attention (DeepSeek V2, section 2.1): keys and values share a latent.

        Operations are those of its absorbed form, in which servers decode.
        """
        plain = _needed(config, "qk_nope_head_dim", origin)
        rotary = _needed(config, "qk_rope_head_dim", origin)
        value = _needed(config, "v_head_dim", origin)
        of_query = heads * (plain + rotary)
        low = int(config.get("q_lora_rank") or 0)
        query = low * (hidden + of_query) if low else hidden * of_query
        kv = hidden * (latent + rotary) + latent * heads * (plain + value)
        return cls(
            weights=query + kv + heads * value * hidden,
            kv_numbers=latent + rotary,
            kv_heads=1,
            position_flops=2 * heads * (2 * latent + rotary),
        )


def _sliding(config: Mapping[str, Any], layers: int, origin: str) -> tuple[int, int]:
    """(how many layers look back no further than a window, that window)."""
    window = int(config.get("sliding_window") or 0)
    if kinds := config.get("layer_types"):
        if others := sorted({*kinds} - {_FULL, _SLIDING}):
            raise ModelError(
                f"{origin} has layers of the kind {', '.join(others)}; only attention is counted "
                "here, and what these keep and read is something else"
            )
        return (sum(kind == _SLIDING for kind in kinds), window) if window else (0, 0)
    # Qwen 2 has a window that is off.
    used = bool(window) and config.get("use_sliding_window") is not False
    return (layers, window) if used else (0, 0)


def _needed(config: Mapping[str, Any], name: str, origin: str, other: str = "") -> int:
    found = config.get(name) or config.get(other)
    if not found:
        raise ModelError(f"{origin} has no {name}")
    return int(found)
