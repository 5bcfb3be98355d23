"""`langsteer capacity`: what steering a model takes, on paper."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiles.commands.common import Json, choice, reported
from profiles.errors import ProfileError

if TYPE_CHECKING:
    from steering.capacity import Capacity
    from steering.sizing.model_shape import ModelShape

HELP = "\n\n".join(
    (
        "What steering MODEL takes: memory, cost, how far a server goes. Nothing is run.",
        (
            "MODEL is a config.json, a folder with one, a hub id, `demo`, or one of gemma-3-270m, "
            "llama-3-8b, llama-3-70b. Times are bounds from the devices' data sheets; "
            "docs/capacity.md says how they are worked out and what was measured."
        ),
    )
)
_DEVICES = "l4,l40s,h100"
_LOAD, _MODEL = "What is served", "The model and its devices"


def capacity(
    model: Annotated[str, typer.Argument(metavar="MODEL_OR_CONFIG", help="See above.")],
    languages: Annotated[int, typer.Option(min=1, help="Profiles, each towards and away.")] = 12,
    edits: Annotated[
        str, typer.Option(help="What each has: memories, offsets, neurons; comma-separated.")
    ] = "memories",
    neurons: Annotated[
        float,
        typer.Option(min=0, max=1, help="Share of a layer's neurons that any profile edits."),
    ] = 0.01,
    profiles: Annotated[
        Path | None,
        typer.Option(
            help="Folder of real profile files, or `ready`, instead of the three above.",
            file_okay=False,
        ),
    ] = None,
    column_headroom: Annotated[int, typer.Option(min=0, help="As `langsteer serve` has it.")] = 64,
    memory_headroom: Annotated[int, typer.Option(min=0, help="As `langsteer serve` has it.")] = 8,
    max_num_seqs: Annotated[
        int, typer.Option(min=1, help="Sequences at once, as vLLM's.", rich_help_panel=_LOAD)
    ] = 256,
    reasoning: Annotated[
        bool,
        typer.Option(
            "--reasoning",
            help="The server has a reasoning parser; a sequence may then have two rows.",
            rich_help_panel=_LOAD,
        ),
    ] = False,
    max_num_batched_tokens: Annotated[
        int, typer.Option(min=1, help="Tokens of a step, as vLLM's.", rich_help_panel=_LOAD)
    ] = 8192,
    prompt: Annotated[
        int, typer.Option(min=1, help="Tokens of a usual prompt.", rich_help_panel=_LOAD)
    ] = 512,
    answer: Annotated[
        int, typer.Option(min=1, help="Tokens of a usual answer.", rich_help_panel=_LOAD)
    ] = 256,
    simulate: Annotated[
        bool,
        typer.Option(
            "--simulate", help="Waiting times at several rates of requests.", rich_help_panel=_LOAD
        ),
    ] = False,
    hardware: Annotated[
        str,
        typer.Option(
            help="Comma-separated, of l4, l40s, a100, h100, h200, or .json files.",
            rich_help_panel=_MODEL,
        ),
    ] = _DEVICES,
    tensor_parallel_size: Annotated[
        int | None,
        typer.Option(
            min=1, help="Devices; as few as it fits on by default.", rich_help_panel=_MODEL
        ),
    ] = None,
    weight_bits: Annotated[
        float, typer.Option(min=1, max=64, help="Of a weight.", rich_help_panel=_MODEL)
    ] = 16,
    memory_share: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=1,
            help="Of a device's memory, as vLLM's --gpu-memory-utilization.",
            rich_help_panel=_MODEL,
        ),
    ] = 0.9,
    kernel_us: Annotated[
        float,
        typer.Option(
            min=0,
            help="Microseconds from one kernel to the next; an assumption.",
            rich_help_panel=_MODEL,
        ),
    ] = 3.0,
    json_output: Json = False,
) -> None:
    """Print it; exits with 1 and one message where that cannot work."""
    with reported("capacity"):
        from steering.sizing.account import KINDS, Wanted, account
        from steering.sizing.hardware import hardware as device
        from steering.sizing.read_shape import read_shape

        kinds = [kind.strip() for kind in edits.split(",") if kind.strip()] or [KINDS[0]]
        for kind in kinds:
            choice("--edits", kind, KINDS)
        devices = [device(name.strip()) for name in hardware.split(",") if name.strip()]
        shape = read_shape(model)
        wanted = Wanted(
            model=model,
            kinds=kinds,
            languages=languages,
            neuron_share=neurons,
            column_headroom=column_headroom,
            memory_headroom=memory_headroom,
            sequences=max_num_seqs,
            reasoning=reasoning,
            prefill_tokens=max_num_batched_tokens,
            prompt=prompt,
            answer=answer,
            weight_bits=weight_bits,
            tensor_ranks=tensor_parallel_size,
            memory_share=memory_share,
            kernel_seconds=kernel_us * 1e-6,
        )
        planned = None
        if profiles is not None:
            planned = _planned(profiles, shape, model, column_headroom, memory_headroom)
        facts = account(shape, wanted, devices, capacity=planned, simulated=simulate)
        if json_output:
            typer.echo(json.dumps(facts))
            return
        from steering.sizing.screen import show

        show(facts)


def _planned(
    folder: Path, shape: ModelShape, model: str, headroom: int, memory_headroom: int
) -> Capacity:
    """Tables for the profiles of a folder, which need not be of this machine's model."""
    from profiles.ready.folder import profile_folder
    from profiles.store import list_profiles
    from steering.capacity import Capacity, plan

    found, errors = list_profiles(profile_folder(folder))
    if errors:
        raise ProfileError("\n".join(map(str, errors)))
    ours = (shape.layers, shape.hidden_size, shape.intermediate_size)
    for name, each in found.items():
        its = (each.model.layers, each.model.hidden_size, each.model.intermediate_size)
        if its != ours:
            raise ProfileError(
                f"profile {name} is for a model of (layers, hidden, intermediate) = {its}, "
                f"{model} has {ours}"
            )
    planned = plan(found.values(), headroom=headroom, memory_headroom=memory_headroom)
    return Capacity.from_config(planned)
