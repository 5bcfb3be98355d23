"""One vLLM engine in a process of its own, that answers batches and times them."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from typing import Any

from profiles.errors import LangsteerError
from steering.bench.times import Times
from steering.bench.workload import Ask
from steering.engine.arming import CONFIG_KEY


@dataclass(frozen=True, kw_only=True)
class EngineSpec:
    """Which engine.

    Attributes:
        model: folder.
        options: of vLLM's engine, as on its command line.
        capacity: `steering.capacity.plan`, or None for stock vLLM, whose process never loads
            langsteer's plugin.
        profiles: files' bytes to load.
        environment: variables to set before vLLM is imported.
    """

    model: str
    options: Sequence[str]
    capacity: dict[str, Any] | None
    profiles: Sequence[bytes]
    environment: dict[str, str]


@dataclass(frozen=True, kw_only=True)
class EngineReport:
    """What an engine says of itself.

    Attributes:
        vocabulary: size.
        memory: bytes that its processes hold in main memory, shared pages divided among them.
        kv_blocks: of its KV cache, where known.
        device, dtype, compiled: how it computes.
        facts: `langsteer_facts` of its first worker; None for stock vLLM.
    """

    vocabulary: int
    memory: int
    kv_blocks: int | None
    device: str
    dtype: str
    compiled: bool
    facts: dict[str, Any] | None


def main(connection: Connection, spec: EngineSpec) -> None:
    """Start the engine, then answer over `connection` until it is closed.

    Sends an `EngineReport` when ready. For a list of `Ask` it sends `Times`, for None another
    report; and for anything that goes wrong its text.
    """
    # vLLM writes its log to standard output, which is the benchmark's.
    os.dup2(2, 1)
    plugins = "langsteer" if spec.capacity is not None else ""
    os.environ.update(spec.environment, VLLM_PLUGINS=plugins)
    try:
        asyncio.run(_serve(connection, spec))
    except (EOFError, KeyboardInterrupt):
        pass
    except SystemExit:
        connection.send("vLLM refused its options; it says above which")
    except Exception as error:  # noqa: BLE001
        # Whatever it is, the other end is waiting to hear of it.
        connection.send(f"{type(error).__name__}: {error}")


async def _serve(connection: Connection, spec: EngineSpec) -> None:
    from vllm.engine.arg_utils import AsyncEngineArgs
    from vllm.utils.argparse_utils import FlexibleArgumentParser
    from vllm.v1.engine.async_llm import AsyncLLM

    parser = AsyncEngineArgs.add_cli_args(FlexibleArgumentParser(prog="langsteer bench"))
    args = AsyncEngineArgs.from_cli_args(parser.parse_args(["--model", spec.model, *spec.options]))
    if spec.capacity is not None:
        from steering.engine.control import EngineControl, WorkerExtension

        args.additional_config = {**(args.additional_config or {}), CONFIG_KEY: spec.capacity}
        args.worker_extension_cls = f"{WorkerExtension.__module__}.{WorkerExtension.__qualname__}"
    engine = AsyncLLM.from_engine_args(args)
    try:
        if spec.capacity is not None:
            control = EngineControl(engine)
            await control.handshake()
            for data in spec.profiles:
                await control.load(data)
        connection.send(await _report(engine, spec))
        while True:
            asks: list[Ask] | None = await asyncio.to_thread(connection.recv)
            connection.send(
                await (_report(engine, spec) if asks is None else _time(engine, spec, asks))
            )
    finally:
        engine.shutdown()


async def _time(engine: Any, spec: EngineSpec, asks: Sequence[Ask]) -> Times:
    before = await _edited(engine, spec)
    begun = time.perf_counter()
    moments = await asyncio.gather(*(_answer(engine, n, ask) for n, ask in enumerate(asks)))
    seconds = time.perf_counter() - begun
    return Times(
        seconds=seconds,
        tokens=sum(len(ask.prompt) + ask.tokens for ask in asks),
        edited=await _edited(engine, spec) - before,
        first=[first - begun for first, _ in moments],
        between=[
            (last - first) / (ask.tokens - 1)
            for (first, last), ask in zip(moments, asks, strict=True)
            if ask.tokens > 1
        ],
    )


async def _answer(engine: Any, number: int, ask: Ask) -> tuple[float, float]:
    """When its first and its last token came."""
    from vllm import SamplingParams
    from vllm.sampling_params import RequestOutputKind

    params = SamplingParams(
        temperature=0.0,
        max_tokens=ask.tokens,
        ignore_eos=True,
        detokenize=False,
        output_kind=RequestOutputKind.DELTA,
        extra_args=dict(ask.extra_args) if ask.extra_args else None,
    )
    name = f"bench-{time.perf_counter_ns()}-{number}"
    moments, tokens = [], 0
    async for output in engine.generate({"prompt_token_ids": list(ask.prompt)}, params, name):
        moments.append(time.perf_counter())
        tokens += len(output.outputs[0].token_ids)
    if tokens != ask.tokens:
        raise LangsteerError(
            f"an answer has {tokens} tokens instead of {ask.tokens}: is --max-model-len too small?"
        )
    return moments[0], moments[-1]


async def _report(engine: Any, spec: EngineSpec) -> EngineReport:
    config = engine.vllm_config
    return EngineReport(
        vocabulary=config.model_config.get_vocab_size(),
        memory=_memory(),
        kv_blocks=config.cache_config.num_gpu_blocks,
        device=str(config.device_config.device_type),
        dtype=str(config.model_config.dtype).removeprefix("torch."),
        compiled=not config.model_config.enforce_eager,
        facts=await _facts(engine, spec),
    )


async def _facts(engine: Any, spec: EngineSpec) -> dict[str, Any] | None:
    if spec.capacity is None:
        return None
    facts: list[dict[str, Any]] = await engine.collective_rpc("langsteer_facts")
    return facts[0]


async def _edited(engine: Any, spec: EngineSpec) -> int:
    facts = await _facts(engine, spec)
    return facts["edited_tokens"] if facts else 0


def _memory() -> int:
    import psutil

    here = psutil.Process()
    total = 0
    for process in (here, *here.children(recursive=True)):
        found = process.memory_full_info()
        total += getattr(found, "pss", found.uss)
    return total
