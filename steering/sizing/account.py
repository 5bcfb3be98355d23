"""All of it for one model: tables, devices, what the edit costs there, how far a server goes."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from steering.capacity import Capacity, sized
from steering.errors import EngineError
from steering.sizing.edit_cost import EditCost
from steering.sizing.hardware import Hardware
from steering.sizing.model_shape import ModelShape
from steering.sizing.roofline import Roofline
from steering.sizing.simulate import Load, simulate

KINDS = ("memories", "offsets", "neurons")
# Streamed tokens a second that one core of an API server got through, its monitor included:
# docs/operations.md, "Sizing". Two cores of a virtual machine; a faster core does more.
API_TOKENS_PER_SECOND = 680
_LANGUAGES = (1, 4, 12, 24, 50, 100)
_SEQUENCES = (1, 8, 32, 64, 128, 256, 512, 1024)
_MOST_RANKS = 8
_LOADS = (0.5, 0.8, 0.95)


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What is to be served.

    Attributes:
        model: MODEL as it was given.
        kinds: of edits that each profile has, of `KINDS`.
        languages: profiles, each towards and away.
        neuron_share: of a layer's neurons that all profiles together edit.
        column_headroom, memory_headroom: as `langsteer serve` has them.
        sequences: at once, --max-num-seqs.
        reasoning: whether the server has a reasoning parser: a sequence may then have two rows.
        prefill_tokens: of a step, --max-num-batched-tokens.
        prompt, answer: tokens of a usual request.
        weight_bits: of a weight.
        tensor_ranks: None for as few as the model fits on.
        memory_share: of a device's memory that vLLM may take.
        kernel_seconds: from one kernel to the next.
    """

    model: str
    kinds: Sequence[str] = ("memories",)
    languages: int = 12
    neuron_share: float = 0.01
    column_headroom: int = 64
    memory_headroom: int = 8
    sequences: int = 256
    reasoning: bool = False
    prefill_tokens: int = 8192
    prompt: int = 512
    answer: int = 256
    weight_bits: float = 16
    tensor_ranks: int | None = None
    memory_share: float = 0.9
    kernel_seconds: float = 3e-6

    @property
    def rows(self) -> int:
        """Of the tables, the unsteered one included."""
        return self.sequences * (2 if self.reasoning else 1) + 1

    @property
    def context(self) -> int:
        """Positions that a running sequence has on average."""
        return self.prompt + self.answer // 2

    def tables(self, shape: ModelShape, languages: int) -> Capacity:
        """Tables for so many languages' profiles.

        Raises:
            EngineError: neurons of a mixture of experts.
        """
        neurons = "neurons" in self.kinds
        if neurons and shape.moe_layers:
            raise EngineError(
                f"{self.model} is a mixture of experts, whose neurons cannot be edited; "
                "--edits memories or offsets"
            )
        per_layer = round(self.neuron_share * shape.intermediate_size) if neurons else 0
        return sized(
            edited=[per_layer] * shape.layers,
            # Towards and away.
            memories=2 * languages * (("memories" in self.kinds) + ("offsets" in self.kinds)),
            keys="memories" in self.kinds,
            hidden_size=shape.hidden_size,
            intermediate_size=shape.intermediate_size,
            headroom=self.column_headroom,
            memory_headroom=self.memory_headroom,
        )


def account(
    shape: ModelShape,
    wanted: Wanted,
    devices: Sequence[Hardware],
    *,
    capacity: Capacity | None = None,
    simulated: bool = False,
) -> dict[str, Any]:
    """The facts, for JSON; bytes, seconds, and shares from 0 to 1.

    Args:
        shape: of the model.
        wanted: what is to be served.
        devices: to serve it on.
        capacity: of real profiles, in the place of `wanted.languages` and `wanted.kinds`.
        simulated: with queues at several rates.

    Raises:
        EngineError: see `Wanted.tables`.
    """
    tables = capacity or wanted.tables(shape, wanted.languages)
    rows = wanted.rows
    ranks = wanted.tensor_ranks or 1
    facts: dict[str, Any] = {
        "model": {
            "name": wanted.model,
            "layers": shape.layers,
            "hidden_size": shape.hidden_size,
            "intermediate_size": shape.intermediate_size,
            "weights": shape.weights,
            "active_weights": shape.active_weights + shape.vocabulary_weights,
            "weight_bytes": round(shape.weights * wanted.weight_bits / 8),
        },
        "wanted": asdict(wanted) | {"context": wanted.context},
        "tables": {
            "rows": rows,
            "columns": sum(tables.columns),
            "memories": tables.memories,
            "keys": tables.keys,
            "device_bytes": tables.device_bytes(rows, tensor_ranks=ranks),
        },
        "devices": [_device(shape, wanted, device, tables, simulated) for device in devices],
    }
    if capacity is None:
        facts["tables_by_languages"] = [
            {
                "languages": languages,
                "memories": made.memories,
                "device_bytes": made.device_bytes(rows, tensor_ranks=ranks),
            }
            for languages in sorted({*_LANGUAGES, wanted.languages})
            for made in [wanted.tables(shape, languages)]
        ]
    return facts


def _device(
    shape: ModelShape, wanted: Wanted, device: Hardware, tables: Capacity, simulated: bool
) -> dict[str, Any]:
    ranks = wanted.tensor_ranks or _fewest(shape, wanted, device, tables)
    found: dict[str, Any] = {"hardware": asdict(device), "tensor_ranks": ranks}
    if ranks is None:
        return found | {"fits": False}
    line = _roofline(shape, wanted, device, tables, ranks)
    room = _kv_room(line, wanted, tables)
    sequences = min(wanted.sequences, max(0, int(room // line.kv_bytes(wanted.context))))
    found |= {
        "fits": sequences > 0,
        "weight_bytes_each": round(line.weight_bytes / ranks),
        "table_bytes_each": tables.device_bytes(wanted.rows, tensor_ranks=ranks),
        "kv_bytes_each": round(max(0.0, room)),
        "kv_bytes_of_a_sequence": round(line.kv_bytes(wanted.context)),
        "sequences": sequences,
    }
    if not sequences:
        return found
    counts = sorted({n for n in _SEQUENCES if n < sequences} | {sequences})
    found["decode"] = [_row(line, n, 0) for n in counts]
    found["prefill"] = _row(line, 0, wanted.prefill_tokens)
    best = found["decode"][-1]["tokens_per_second"]
    rate = _most_requests(line, wanted, sequences)
    found["requests_per_second"] = rate
    found["api_server_cores"] = round(best / API_TOKENS_PER_SECOND, 2)
    if simulated:
        found["simulated"] = [*_simulated(line, wanted, sequences, rate)]
    return found


def _roofline(
    shape: ModelShape, wanted: Wanted, device: Hardware, tables: Capacity, ranks: int
) -> Roofline:
    return Roofline(
        shape=shape,
        capacity=tables,
        device=device,
        tensor_ranks=ranks,
        weight_bits=wanted.weight_bits,
        context=wanted.context,
        kernel_seconds=wanted.kernel_seconds,
    )


def _kv_room(line: Roofline, wanted: Wanted, tables: Capacity) -> float:
    """Bytes for the cache on each device."""
    taken = line.weight_bytes / line.tensor_ranks
    taken += tables.device_bytes(wanted.rows, tensor_ranks=line.tensor_ranks)
    return line.device.memory_bytes * wanted.memory_share - taken


def _fewest(shape: ModelShape, wanted: Wanted, device: Hardware, tables: Capacity) -> int | None:
    """The fewest devices on which weights, tables, and at least one sequence have room."""
    ranks = 1
    while ranks <= _MOST_RANKS:
        line = _roofline(shape, wanted, device, tables, ranks)
        if _kv_room(line, wanted, tables) >= line.kv_bytes(wanted.context):
            return ranks
        ranks *= 2
    return None


def _row(line: Roofline, decoding: int, prefilled: int) -> dict[str, Any]:
    tokens = decoding + prefilled
    plain, edit = line.plain_seconds(decoding, prefilled), line.edit_seconds(tokens)
    cost = EditCost.of(line.capacity, tokens, tensor_ranks=line.tensor_ranks)
    return {
        "tokens": tokens,
        "plain_seconds": plain,
        "edit_seconds": edit,
        "edit_bytes": cost.bytes,
        "edit_flops": cost.flops,
        "edit_kernels": cost.kernels,
        "edit_launch_seconds": cost.kernels * line.kernel_seconds,
        "plain_tokens_per_second": tokens / plain,
        "tokens_per_second": tokens / (plain + edit),
        "edit_seconds_a_token": edit / tokens,
        "ratio": plain / (plain + edit),
    }


def _most_requests(line: Roofline, wanted: Wanted, sequences: int) -> float:
    """Requests a second, steered, that an engine always full could take.

    Each costs its share of the steps its answer takes, and of full steps of prompts.
    """
    answering = wanted.answer * line.seconds(sequences) / sequences
    prompts = line.seconds(0, wanted.prefill_tokens) * wanted.prompt / wanted.prefill_tokens
    return 1 / (answering + prompts)


def _simulated(
    line: Roofline, wanted: Wanted, sequences: int, rate: float
) -> Iterator[dict[str, Any]]:
    for share in _LOADS:
        load = Load(
            rate=share * rate,
            prompt=wanted.prompt,
            answer=wanted.answer,
            requests=max(400, 4 * sequences),
            sequences=sequences,
            budget=max(wanted.prefill_tokens, sequences),
        )
        yield {
            "requests_per_second": load.rate,
            "share": share,
            "plain": asdict(simulate(line.plain_seconds, load)),
            "steered": asdict(simulate(line.seconds, load)),
        }
