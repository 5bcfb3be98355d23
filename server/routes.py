"""What vLLM's routes do, as far as steering is concerned."""

from __future__ import annotations

import re

STEERABLE = frozenset({"/v1/completions", "/v1/chat/completions", "/v1/responses", "/v1/messages"})
OWN_PATHS = "/v1/steering/"
IDENTIFY = f"{OWN_PATHS}identify"
# Outside /v1, which vLLM's key check covers: a page asks for a key itself, probes have none.
PAGES = "/steering"
HEALTH_PATHS = f"{PAGES}/health/"

# What vLLM's key check lets anybody ask for, and monitoring needs: the server's health.
OPEN = frozenset({"/health", "/ping", "/ready", "/readyz", "/metrics", "/version", "/load"})

# What is for whoever runs the server, most of it in vLLM's development mode only.
OPERATED = frozenset(
    {
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
# Beside them, what only tells how the server is.
_OPERATORS_READ = frozenset(
    {
        *("/server_info", "/get_world_size", "/is_paused", "/is_sleeping", "/kv_event_sources"),
        *("/fault_tolerance/status", "/weight_info"),
    }
)

# By name: a route that is not here may make text, whatever it is called in vLLM's next version.
TEXTLESS = frozenset(
    {
        *("/ping", "/tokenize", "/detokenize", "/v1/messages/count_tokens"),
        *("/v1/embeddings", "/v2/embed", "/pooling", "/classify"),
        *("/score", "/v1/score", "/rerank", "/v1/rerank", "/v2/rerank"),
        *(f"{path}/render" for path in (*STEERABLE, "/cohere/v2/chat")),
        *(f"/v1/{path}completions/derender" for path in ("", "chat/")),
        *OPERATED,
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
    """Whether a route is an endpoint of langsteer's own, not vLLM's; its pages are none.

    Args:
        path: without a root path.
    """
    return path.startswith((OWN_PATHS, HEALTH_PATHS))


def is_open(path: str) -> bool:
    """Whether anybody may ask for a path: the server's health, and pages that ask for a key.

    Args:
        path: without a root path.
    """
    return path.rstrip("/") in OPEN or path == PAGES or path.startswith(f"{PAGES}/")


def operates_steering(method: str, path: str) -> bool:
    """Whether a request to one of our own endpoints is for operators only.

    Args:
        method: of HTTP.
        path: without a root path.
    """
    reads = method in {"GET", "HEAD"} and path.startswith(f"{OWN_PATHS}profiles")
    return path.startswith(OWN_PATHS) and not reads and path != IDENTIFY


def operates(method: str, path: str) -> bool:
    """Whether a request is for operators only, at our endpoints or at vLLM's.

    Args:
        method: of HTTP.
        path: without a root path.
    """
    bare = path.rstrip("/")
    return bare in OPERATED or bare in _OPERATORS_READ or operates_steering(method, path)
