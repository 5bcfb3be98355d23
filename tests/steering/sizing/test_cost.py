"""Bytes, operations and times of the edit, worked out by hand."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from steering.capacity import Capacity
from steering.errors import EngineError
from steering.sizing.edit_cost import EditCost
from steering.sizing.hardware import HARDWARE, Hardware, hardware
from steering.sizing.read_shape import read_shape
from steering.sizing.roofline import Roofline

DOCS = Path(__file__).parents[3] / "docs"


def capacity(
    columns: tuple[int, ...] = (0,), memories: int = 16, keys: bool = True, hidden: int = 4
) -> Capacity:
    return Capacity(
        columns=columns, memories=memories, keys=keys, hidden_size=hidden, intermediate_size=64
    )


def test_memories_by_hand() -> None:
    cost = EditCost.of(capacity(), 2)
    values, keys = 16 * 4 * 4, 16 * (4 + 1) * 4
    # Of each of 2 * 4 numbers: the product in float32, written and read; the hidden state, read
    # and written in 2 bytes; the input read in 2 bytes, its float32 form written and read.
    tokens = 2 * 4 * (8 + 4) + 2 * 4 * (2 + 8)
    # Of each of 2 * 16 factors: the row's, gathered and read; the gains, written and read.
    factors = 2 * 16 * 12 + 2 * 16 * 8
    assert cost.bytes == values + keys + tokens + factors
    assert cost.flops == 2 * (2 * 2 * 16 * 4)
    assert cost.kernels == 3


def test_offsets_need_no_keys() -> None:
    cost = EditCost.of(capacity(keys=False), 2)
    assert cost.bytes == 16 * 4 * 4 + 2 * 4 * 12 + 2 * 16 * 12
    assert (cost.flops, cost.kernels) == (2 * 2 * 16 * 4, 2)


def test_neurons_by_hand_and_over_ranks() -> None:
    made = capacity(columns=(16, 0, 48), memories=0)
    whole = EditCost.of(made, 3)
    assert whole.bytes == 64 * 8 + 3 * 64 * (4 + 8)
    assert (whole.flops, whole.kernels) == (4 * 3 * 64, 4)
    # A rank of 16 neurons has no room for more than these.
    assert EditCost.of(made, 3, tensor_ranks=4).bytes == 32 * 8 + 3 * 32 * 12


def test_ranks_do_not_share_memories() -> None:
    assert EditCost.of(capacity(), 5, tensor_ranks=4) == EditCost.of(capacity(), 5)


def test_the_kernels_are_those_of_the_table() -> None:
    """docs/cost.md has what the compiler makes of a layer, and a test of its own holds that."""
    text = (DOCS / "cost.md").read_text()
    rows = re.findall(r"^\| ([a-z ]+) \| (\d+) \| \d+ \| (\d+) \| 1 \|$", text, re.MULTILINE)
    counted = {name: int(generated) + int(products) for name, generated, products in rows}
    made = {
        "offsets": capacity(keys=False),
        "memories": capacity(),
        "neurons": capacity(columns=(16,), memories=0),
        "neurons and memories": capacity(columns=(16,)),
    }
    assert {name: EditCost.of(each, 1).kernels for name, each in made.items()} == {
        name: count - counted["no edit"] for name, count in counted.items() if name != "no edit"
    }


def device(bandwidth: float = 1e9, matrix: float = 1e12, float32: float = 1e11) -> Hardware:
    return Hardware(
        name="test",
        memory_bytes=1e9,
        bytes_per_second=bandwidth,
        matrix_flops=matrix,
        float32_flops=float32,
        source="",
    )


def line(**more: object) -> Roofline:
    shape = read_shape("gemma-3-270m")
    given = {"shape": shape, "capacity": capacity(columns=(0,) * 18, hidden=640), "context": 100}
    return Roofline(**{**given, "device": device(), **more})  # type: ignore[arg-type]


def test_one_sequence_waits_for_the_weights() -> None:
    kv = 18 * 100 * 2 * 256 * 2
    assert line().kv_bytes(100) == kv
    assert line().plain_seconds(1) == pytest.approx((2 * 268_042_240 + kv) / 1e9)


def test_quarter_as_many_bits_and_two_ranks_are_eight_times_as_fast() -> None:
    kv = line().kv_bytes(100)  # one head: both ranks have all of it
    weights = 2 * 268_042_240 / 8
    made = line(weight_bits=4, tensor_ranks=2)
    assert made.plain_seconds(1) == pytest.approx((weights + kv) / 1e9)


def test_prompts_wait_for_the_operations_without_the_vocabulary() -> None:
    made = line(device=device(bandwidth=1e15))
    attention = 1000 * 18 * 100 * 4 * 4 * 256
    body = 2 * 1000 * (268_042_240 - 262_144 * 640)
    assert made.plain_seconds(0, 1000) == pytest.approx((body + attention) / 1e12)


def test_the_edit_takes_its_bytes_or_operations_and_its_kernels() -> None:
    made = line()
    cost = EditCost.of(made.capacity, 1)
    assert made.edit_seconds(1) == pytest.approx(cost.bytes / 1e9 + 18 * 3 * 3e-6)
    slow = line(device=device(float32=1.0))
    assert slow.edit_seconds(1) == pytest.approx(cost.flops + 18 * 3 * 3e-6)
    assert made.ratio(1) == made.plain_seconds(1) / (made.plain_seconds(1) + made.edit_seconds(1))
    nothing = line(capacity=capacity(columns=(0,) * 18, memories=0))
    assert nothing.edit_seconds(256) == 0


def test_hardware_of_ones_own(tmp_path: Path) -> None:
    file = tmp_path / "mine.json"
    facts = {
        "memory_gb": 64,
        "bandwidth_gb_per_second": 20,
        "matrix_tflops": 0.5,
        "float32_tflops": 0.1,
    }
    file.write_text(json.dumps(facts))
    made = hardware(str(file))
    assert (made.name, made.bytes_per_second, made.float32_flops) == ("mine", 20e9, 1e11)
    for wrong, words in (
        ({**facts, "matrix_tflops": 0}, "matrix_tflops is 0"),
        ({**facts, "memory_gb": "64"}, "memory_gb is '64'"),
        ({**facts, "memory_gb": True}, "memory_gb is True"),
        ({**facts, "speed": 3}, "unknown speed"),
        ([], "not a JSON object"),
    ):
        file.write_text(json.dumps(wrong))
        with pytest.raises(EngineError, match=words):
            hardware(str(file))
    with pytest.raises(EngineError, match="cannot read"):
        hardware(str(tmp_path / "none.json"))
    with pytest.raises(EngineError, match="known are l4, "):
        hardware("h900")
    assert hardware("H100") is HARDWARE["h100"]
