"""`langsteer bench`: what steering costs a whole engine."""

from __future__ import annotations

import json
import os
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import typer

from profiles.commands.common import Json, choice, reported
from profiles.progress import progress
from profiles.versions import versions, vllm
from steering.bench.workload import WORKLOADS

HELP = "\n\n".join(
    (
        "Measure what steering costs: stock vLLM and langsteer in turns, on the same requests.",
        (
            "MODEL comes first. Every option not listed here goes to vLLM's engines unchanged, "
            "e.g. --enforce-eager --max-num-seqs 64. Two engines, or three, are loaded at a time "
            "and work in turns: on a GPU give --gpu-memory-utilization 0.3."
        ),
    )
)


def bench(
    context: typer.Context,
    model: Annotated[str, typer.Argument(metavar="MODEL", help="Folder, hub id, or `demo`.")],
    profiles: Annotated[
        Path,
        typer.Option(
            help="Folder of profile files of MODEL; `ready` for the demo model's own.",
            file_okay=False,
        ),
    ],
    workloads: Annotated[
        str, typer.Option(help="Comma-separated, of prefill, decode, mixed.")
    ] = ",".join(WORKLOADS),
    requests: Annotated[
        int, typer.Option(min=1, help="Requests of a batch, all sent at once.")
    ] = 40,
    combinations: Annotated[
        int, typer.Option(min=1, help="Kinds of steering in the mixed batch.")
    ] = 32,
    rounds: Annotated[int, typer.Option(min=1, help="Rounds that count; one more warms up.")] = 7,
    control: Annotated[
        bool, typer.Option(help="With a second stock engine, to see the measurement's own error.")
    ] = True,
    seed: Annotated[int, typer.Option(help="Of prompts and order.")] = 0,
    out: Annotated[
        Path | None,
        typer.Option(metavar="<dir>", help="Folder for bench.json and bench.png.", file_okay=False),
    ] = None,
    json_output: Json = False,
) -> None:
    """Run it; exits with 1 and one message where that cannot work."""
    names = [name.strip() for name in workloads.split(",") if name.strip()] or [*WORKLOADS]
    for name in names:
        choice("--workloads", name, tuple(WORKLOADS))
    with reported("bench"):
        result = _measure(
            model,
            profiles,
            names,
            requests=requests,
            kinds=combinations,
            rounds=rounds,
            control=control,
            seed=seed,
            rest=context.args,
            quiet=json_output,
        )
        if out is not None:
            from steering.bench.plot import draw

            out.mkdir(parents=True, exist_ok=True)
            (out / "bench.json").write_text(json.dumps(result, indent=1) + "\n")
            draw(result, out / "bench")
        if json_output:
            typer.echo(json.dumps(result))
            return
        from steering.bench.table import show

        show(result)
        if out is not None:
            typer.echo(f"Written to {out}: bench.json, bench.png, bench.svg")


def _measure(
    model: str,
    profiles: Path,
    names: list[str],
    *,
    requests: int,
    kinds: int,
    rounds: int,
    control: bool,
    seed: int,
    rest: list[str],
    quiet: bool,
) -> dict[str, Any]:
    from profiles.models.demo_model import NAME as DEMO
    from profiles.models.fingerprint import fingerprint
    from profiles.models.resolve import resolve_model
    from server.folder import read_folder
    from steering.bench.arms import STEERING, STOCK, STOCK_AGAIN, arms
    from steering.bench.bench import bench as measure
    from steering.bench.engine import Engine
    from steering.bench.mix import combinations, mixed
    from steering.bench.overall import overall
    from steering.capacity import Capacity, plan
    from steering.engine.bench_process import EngineSpec

    folder = resolve_model(model, (lambda _line: None) if quiet else None)
    _, files = read_folder(profiles, fingerprint(folder, model))
    capacity = plan(file.profile for file in files)
    compared = [WORKLOADS[name] for name in names]
    steering = combinations([file.profile for file in files], kinds)
    sides = arms(steering[0], mixed(steering, requests), control=control)
    # Three engines' logs would bury the table.
    environment = {"VLLM_LOGGING_LEVEL": "WARNING", **os.environ}
    if model == DEMO:
        environment.setdefault("VLLM_CPU_KVCACHE_SPACE", "1")

    def spec(steered: bool) -> EngineSpec:
        return EngineSpec(
            model=str(folder),
            # Prompts never come twice; without the cache no arm can profit from another.
            options=["--no-enable-prefix-caching", *rest],
            capacity=capacity if steered else None,
            profiles=[file.data for file in files] if steered else [],
            environment=environment,
        )

    wanted = [STOCK, *([STOCK_AGAIN] if control else []), STEERING]
    with ExitStack() as stack:
        engines: dict[str, Engine] = {}
        with progress("starting engines", quiet) as show:
            for name in wanted:
                engines[name] = stack.enter_context(Engine(name, spec(name == STEERING)))
                show(len(engines), len(wanted))
        with progress("measuring", quiet) as show:
            rows = measure(
                engines,
                sides,
                compared,
                requests=requests,
                rounds=rounds,
                seed=seed,
                progress=show,
            )
        reports = {name: engine.report() for name, engine in engines.items()}
    stock, facts = reports[STOCK], reports[STEERING].facts
    assert facts is not None
    sizes = Capacity.from_config(capacity)
    return {
        "model": model,
        "device": stock.device,
        "dtype": stock.dtype,
        "compiled": stock.compiled,
        "options": rest,
        "cores": len(os.sched_getaffinity(0)),
        "versions": versions() | {"vllm": vllm()},
        "requests": requests,
        "rounds": rounds,
        "seed": seed,
        "workloads": [asdict(workload) for workload in compared],
        "arms": [{"name": arm.name, "about": arm.about} for arm in sides],
        "rows": rows,
        "overall": overall(rows),
        "memory": {
            name: {"bytes": report.memory, "kv_blocks": report.kv_blocks}
            for name, report in reports.items()
        },
        "tables": {
            "bytes": sizes.device_bytes(facts["rows"]),
            "rows": facts["rows"],
            "columns": sum(sizes.columns),
            "memories": sizes.memories,
        },
    }
