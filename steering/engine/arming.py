"""Put tables, buffers and edits into a model that has just been loaded."""

from __future__ import annotations

from typing import Any

import torch

from steering.batch import Batch
from steering.capacity import Capacity
from steering.engine import ffn
from steering.engine.experts import Experts
from steering.engine.reasoning import markers, no_markers
from steering.errors import EngineError
from steering.parts import Parts
from steering.tables import NO_NEURONS, Tables
from steering.tokens import Tokens

CONFIG_KEY = "langsteer"
_ATTRIBUTE = "langsteer_batch"


def wanted(vllm_config: Any) -> bool:
    """Whether this engine was asked to steer ("langsteer" in additional_config)."""
    return CONFIG_KEY in (vllm_config.additional_config or {})


def batch_of(model: Any) -> Batch | None:
    """The batch of a model that was armed; None for any other."""
    batch: Batch | None = getattr(model, _ATTRIBUTE, None)
    return batch


def arm(vllm_config: Any, model: torch.nn.Module, device: torch.device) -> Batch:
    """Allocate tables and put the edits into `model`; arming it again changes nothing.

    Everything on the device is allocated here, before anything is compiled or captured, and
    stays where it is. The batch is kept on the model: drafters are never armed.

    Returns:
        What the model runner has to keep up to date.

    Raises:
        EngineError: the model or the engine's settings can't be steered.
    """
    if (armed := batch_of(model)) is not None:
        return armed
    _refuse_unsupported(vllm_config)
    capacity = Capacity.from_config(vllm_config.additional_config[CONFIG_KEY])
    from vllm.distributed import (
        get_tensor_model_parallel_rank,
        get_tensor_model_parallel_world_size,
    )

    ffns = ffn.find_ffns(model)
    layers = [one.layer for one in ffns]
    _check_layers(layers, len(capacity.columns))
    rank, world = get_tensor_model_parallel_rank(), get_tensor_model_parallel_world_size()
    mixtures = [one for one in ffns if isinstance(one, Experts)]
    for one in mixtures:
        one.check(world, vllm_config.model_config.dtype)
    dense = [one for one in ffns if isinstance(one, ffn.FFN)]
    if not (dense or capacity.memories):
        raise EngineError(f"the profiles edit neurons only, and every layer is {NO_NEURONS}")
    shards = {ffn.shard(one, capacity.intermediate_size, rank, world) for one in dense}
    scheduler = vllm_config.scheduler_config
    no_parts = no_markers(vllm_config)
    # One request needs at most one row, two where its reasoning may have its own, and a step has at
    # most max_num_seqs of them: with this many rows, running out is impossible rather than handled.
    tables = Tables(
        capacity,
        layers=layers,
        shard=shards.pop() if shards else (0, 0),
        rows=scheduler.max_num_seqs * (1 if no_parts else 2) + 1,
        device=device,
        experts=[one.layer for one in mixtures],
    )
    tokens = Tokens(
        scheduler.max_num_batched_tokens,
        device=device,
        in_flight=max(2, vllm_config.max_concurrent_batches),
    )
    if not list(ffn.install(ffns, tables, tokens)):
        raise EngineError("the profiles' capacity leaves no layer to edit")
    parts = None
    if not no_parts:
        parts = Parts(markers(vllm_config), scheduler.max_num_seqs, device)
    batch = Batch(tables, tokens, parts, no_parts)
    setattr(model, _ATTRIBUTE, batch)
    return batch


def _check_layers(found: list[int], layers: int) -> None:
    """Every layer that this rank has must have an FFN: an edit of another would be dropped.

    Raises:
        EngineError: one has none, or the profiles are for another number of layers.
    """
    from vllm.distributed import get_pp_group
    from vllm.distributed.utils import get_pp_indices

    pipeline = get_pp_group()
    mine = [*range(*get_pp_indices(layers, pipeline.rank_in_group, pipeline.world_size))]
    if found != mine:
        raise EngineError(
            f"this worker has feed-forward layers in decoder layers {_ranges(found)}, the "
            f"profiles need them in {_ranges(mine)}"
        )


def _ranges(numbers: list[int]) -> str:
    """E.g. "0-3, 5"."""
    starts = [n for n in numbers if n - 1 not in numbers]
    ends = [n for n in numbers if n + 1 not in numbers]
    pairs = zip(starts, ends, strict=True)
    return ", ".join(str(a) if a == b else f"{a}-{b}" for a, b in pairs) or "none"


def _refuse_unsupported(vllm_config: Any) -> None:
    parallel = vllm_config.parallel_config
    if getattr(parallel, "enable_dbo", False) or getattr(parallel, "use_ubatching", False):
        raise EngineError("dual batch overlap re-slices tokens; start without --enable-dbo")
    if getattr(parallel, "prefill_context_parallel_size", 1) > 1:
        raise EngineError("prefill context parallelism re-slices tokens; start without it")
    if getattr(parallel, "enable_hc_sp", False):
        raise EngineError(
            "sequence parallelism gives each rank a part of the tokens; start without "
            "--enable-hc-sp"
        )
    # Passes of vLLM's compiler up to 0.31.
    compilation = getattr(vllm_config, "compilation_config", None)
    passes = getattr(compilation, "pass_config", None)
    if getattr(passes, "enable_sp", False) or getattr(passes, "fuse_gemm_comms", False):
        raise EngineError(
            "sequence parallelism gives each rank a part of the tokens; start without enable_sp "
            "and fuse_gemm_comms in --compilation-config"
        )
    # Set by --kv-transfer-config, or by vLLM itself where other options ask for a connector.
    if getattr(vllm_config, "kv_transfer_config", None):
        raise EngineError(
            "a KV connector may share steered KV with unsteered requests; start without "
            "--kv-transfer-config and --kv-offloading-size"
        )
    if getattr(vllm_config.cache_config, "kv_sharing_fast_prefill", False):
        raise EngineError(
            "fast prefill drops tokens in later layers; start without --kv-sharing-fast-prefill"
        )
    speculative = vllm_config.speculative_config
    if speculative and getattr(speculative, "enable_adaptive_verification", False):
        raise EngineError(
            "adaptive verification lays tokens out on the device only; set "
            '"enable_adaptive_verification": false in --speculative-config'
        )
    if vllm_config.model_config.runner_type == "pooling":
        raise EngineError("a pooling model generates no text to steer")
