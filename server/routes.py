"""What vLLM's routes do, as far as steering is concerned."""

from __future__ import annotations

import re

STEERABLE = frozenset({"/v1/completions", "/v1/chat/completions", "/v1/responses", "/v1/messages"})
OWN_PATHS = "/v1/steering/"
# Outside /v1, which vLLM's check of API keys covers: probes have no key.
HEALTH_PATHS = "/steering/health/"

# By name: a route that is not here may make text, whatever it is called in vLLM's next version.
TEXTLESS = frozenset(
    {
        *("/ping", "/tokenize", "/detokenize", "/v1/messages/count_tokens"),
        *("/v1/embeddings", "/v2/embed", "/pooling", "/classify"),
        *("/score", "/v1/score", "/rerank", "/v1/rerank", "/v2/rerank"),
        *(f"{path}/render" for path in (*STEERABLE, "/cohere/v2/chat")),
        *(f"/v1/{path}completions/derender" for path in ("", "chat/")),
        *("/v1/load_lora_adapter", "/v1/unload_lora_adapter"),
        *("/abort_requests", "/inference/v1/abort_requests", "/pause", "/resume"),
        *("/sleep", "/wake_up", "/release_kv_cache_memory"),
        *("/reset_prefix_cache", "/reset_mm_cache", "/reset_encoder_cache"),
        *("/start_profile", "/stop_profile", "/scale_elastic_ep", "/is_scaling_elastic_ep"),
        *("/init_weight_transfer_engine", "/shutdown_weight_transfer_engine"),
        *("/start_weight_update", "/start_draft_weight_update", "/update_weights"),
        *("/finish_weight_update", "/update_weight_version", "/weight_checker"),
        *("/collective_rpc", "/fault_tolerance/apply"),
    }
)
_CANCEL = re.compile(r"/v1/responses/[^/]+/cancel")


def makes_no_text(path: str) -> bool:
    """Whether a route certainly lets the model write nothing.

    Args:
        path: without a root path.
    """
    return path in TEXTLESS or is_own(path) or _CANCEL.fullmatch(path) is not None


def is_own(path: str) -> bool:
    """Whether a route is langsteer's own, not vLLM's.

    Args:
        path: without a root path.
    """
    return path.startswith((OWN_PATHS, HEALTH_PATHS))
