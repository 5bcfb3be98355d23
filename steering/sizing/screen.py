"""The account on screen."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from rich.console import Console
from rich.table import Table

from steering.sizing.account import API_TOKENS_PER_SECOND


def show(facts: Mapping[str, Any]) -> None:
    """Tables of `steering.sizing.account.account`."""
    console = Console()
    model, wanted = facts["model"], facts["wanted"]
    active = ""
    if model["active_weights"] < 0.9 * model["weights"]:
        active = f", {_count(model['active_weights'])} of them for a token"
    console.print(
        f"{model['name']}: {model['layers']} layers of {model['hidden_size']} numbers and "
        f"{model['intermediate_size']} neurons, {_count(model['weights'])} weights{active}, "
        f"{_size(model['weight_bytes'])} at {wanted['weight_bits']:g} bits."
    )
    _tables(console, facts)
    for device in facts["devices"]:
        _device(console, device, wanted)
    console.print(
        "Times are bounds from data sheets, not measurements: no engine is as fast, and beside a "
        "slower one the edit costs a smaller share. docs/capacity.md says what was measured."
    )


def _tables(console: Console, facts: Mapping[str, Any]) -> None:
    tables = facts["tables"]
    console.print(
        f"Tables of the edit, for {tables['rows']} rows, {tables['columns']} edited neurons and "
        f"{tables['memories']} memories a layer: {_size(tables['device_bytes'])} on a device."
    )
    if rows := facts.get("tables_by_languages"):
        table = Table(title="Tables by languages")
        for heading in ("languages", "memories a layer", "tables"):
            table.add_column(heading, justify="right")
        for row in rows:
            table.add_row(str(row["languages"]), str(row["memories"]), _size(row["device_bytes"]))
        console.print(table)


def _device(console: Console, device: Mapping[str, Any], wanted: Mapping[str, Any]) -> None:
    name, ranks = device["hardware"]["name"], device["tensor_ranks"]
    if not device["fits"]:
        many = f"on {ranks}" if ranks else "on eight"
        console.print(f"{name}: the model and one sequence do not fit {many} of them.")
        return
    title = f"{ranks} × {name}" if ranks > 1 else name
    table = Table(title=f"{title}, {wanted['context']} positions a sequence")
    for heading in ("step", "plain ms", "edit ms", "of it launches", "tokens/s", "ratio"):
        table.add_column(heading, justify="left" if heading == "step" else "right")
    for row in (*device["decode"], device["prefill"]):
        count = row["tokens"]
        step = "1 sequence" if count == 1 else f"{count} sequences"
        table.add_row(
            f"{count} tokens of prompts" if row is device["prefill"] else step,
            f"{1e3 * row['plain_seconds']:.2f}",
            f"{1e3 * row['edit_seconds']:.3f}",
            f"{1e3 * row['edit_launch_seconds']:.3f}",
            f"{row['tokens_per_second']:.0f}",
            f"{row['ratio']:.3f}",
        )
    console.print(table)
    console.print(
        f"On each: {_size(device['weight_bytes_each'])} of weights, "
        f"{_size(device['table_bytes_each'])} of tables, {_size(device['kv_bytes_each'])} left for "
        f"the KV cache, {_size(device['kv_bytes_of_a_sequence'])} a sequence. At most "
        f"{device['requests_per_second']:.1f} requests a second of {wanted['prompt']} + "
        f"{wanted['answer']} tokens, all steered. {_advice(device)}"
    )
    if queues := device.get("simulated"):
        _queues(console, queues)


def _advice(device: Mapping[str, Any]) -> str:
    cores = device["api_server_cores"]
    if cores <= 1:
        return "One API server streams that."
    return (
        f"Streamed token by token that is more than one API server's process sends: {cores:.3g} "
        f"times the {API_TOKENS_PER_SECOND} tokens a second that one core was measured at, a slow "
        "one. Send several tokens an event (--stream-interval), or take several servers."
    )


def _queues(console: Console, queues: list[Mapping[str, Any]]) -> None:
    table = Table(title="Simulated: milliseconds, median and 95th percentile")
    table.add_column("requests/s")
    for heading in ("first token", "between tokens"):
        for side in ("plain", "steered"):
            table.add_column(f"{heading}, {side}", justify="right")
    for row in queues:
        cells = [
            " ".join(f"{1e3 * value:.1f}" for value in row[side][measure])
            for measure in ("first_seconds", "between_seconds")
            for side in ("plain", "steered")
        ]
        table.add_row(f"{row['requests_per_second']:.1f} ({row['share']:.0%})", *cells)
    console.print(table)


def _count(number: float) -> str:
    return f"{number / 1e9:.2f} billion" if number >= 1e9 else f"{number / 1e6:.0f} million"


def _size(size: float) -> str:
    return f"{size / 1e9:.2f} GB" if size >= 1e9 else f"{size / 1e6:.1f} MB"
