"""`langsteer capacity`, as it is typed."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from server.cli import add_capacity
from steering.bench.edit import SHAPES
from steering.bench.loading import MODELS
from steering.sizing.read_shape import KNOWN

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def app() -> typer.Typer:
    made = typer.Typer()
    add_capacity(made)
    return made


def run(app: typer.Typer, *args: str, fails: bool = False) -> str:
    result = CliRunner().invoke(app, list(args), env={"COLUMNS": "200"})
    assert result.exit_code == (1 if fails else 0), result.output
    return result.output


def facts(app: typer.Typer, *args: str) -> dict[str, Any]:
    return json.loads(run(app, *args, "--json"))  # type: ignore[no-any-return]


def test_a_model_on_each_device(app: typer.Typer) -> None:
    found = facts(app, "llama-3-70b", "--hardware", "l4,h100")
    l4, h100 = found["devices"]
    # 141 GB of weights.
    assert (l4["tensor_ranks"], h100["tensor_ranks"]) == (8, 2)
    assert found["model"]["weight_bytes"] == 2 * 70_552_387_584
    for device in (l4, h100):
        ratios = [row["ratio"] for row in device["decode"]]
        assert all(0.5 < ratio < 1 for ratio in ratios)
        assert device["decode"][-1]["tokens"] == device["sequences"]
        for row in device["decode"]:
            assert row["tokens_per_second"] < row["plain_tokens_per_second"]
    by = {row["languages"]: row["device_bytes"] for row in found["tables_by_languages"]}
    assert by[12] == found["tables"]["device_bytes"]
    assert sorted(by.values()) == [*by.values()]


def test_reasoning_apart_takes_a_second_row_a_sequence(app: typer.Typer) -> None:
    apart, alike = (facts(app, "llama-3-8b", *more)["tables"] for more in (["--reasoning"], []))
    assert (apart["rows"], alike["rows"]) == (513, 257)
    # A switch a row and memory, in float32.
    assert apart["device_bytes"] - alike["device_bytes"] == 256 * apart["memories"] * 4


def test_what_does_not_fit_is_said(app: typer.Typer) -> None:
    found = facts(app, "llama-3-70b", "--hardware", "l4", "--tensor-parallel-size", "1")
    assert found["devices"][0]["fits"] is False
    said = run(app, "llama-3-70b", "--hardware", "l4", "--tensor-parallel-size", "1")
    assert "do not fit on 1 of them" in said
    huge = run(app, "llama-3-70b", "--hardware", "l4", "--weight-bits", "64")
    assert "do not fit on eight of them" in huge


def test_real_profiles_are_planned_as_the_server_does(app: typer.Typer) -> None:
    found = facts(app, "demo", "--profiles", "ready", "--max-num-seqs", "127")
    # Twelve memories towards, twelve away, eight to spare.
    assert found["tables"]["memories"] == 32
    bank = 128 * 32 * 4 + 18 * 32 * (640 + 641) * 4
    assert found["tables"]["device_bytes"] == bank
    assert "tables_by_languages" not in found
    said = run(app, "llama-3-8b", "--profiles", "ready", fails=True)
    assert "(18, 640, 2048), llama-3-8b has (32, 4096, 14336)" in said


def test_queues_wait_longer_the_fuller_the_server(app: typer.Typer) -> None:
    args = ("llama-3-8b", "--hardware", "h100", "--max-num-seqs", "32", "--simulate")
    queues = facts(app, *args)["devices"][0]["simulated"]
    waits = [row["steered"]["first_seconds"][1] for row in queues]
    assert sorted(waits) == waits
    for row in queues:
        assert row["steered"]["between_seconds"][0] >= row["plain"]["between_seconds"][0]
    assert "Simulated" in run(app, *args)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["llama-3-8b", "--hardware", "tpu"], "unknown hardware 'tpu'"),
        (["./none.json"], "there is no ./none.json"),
        (["llama-3-8b", "--profiles", "no/such"], "no profile folder"),
    ],
)
def test_errors_are_one_line(app: typer.Typer, args: list[str], words: str) -> None:
    said = run(app, *args, fails=True)
    assert said.startswith("langsteer capacity: ")
    assert words in said


def test_neurons_of_a_mixture_are_refused(app: typer.Typer, tmp_path: Path) -> None:
    config = {**KNOWN["llama-3-8b"], "model_type": "mixtral", "num_local_experts": 8}
    file = tmp_path / "config.json"
    file.write_text(json.dumps({**config, "num_experts_per_tok": 2}))
    assert "mixture of experts" in run(app, str(file), "--edits", "neurons", fails=True)
    assert facts(app, str(file))["model"]["active_weights"] < 14e9


def test_the_known_models_are_those_of_the_benchmarks() -> None:
    for name, config in KNOWN.items():
        sizes = (config["num_hidden_layers"], config["hidden_size"], config["intermediate_size"])
        assert MODELS[name] == sizes
        assert (SHAPES[name].hidden, SHAPES[name].wide) == sizes[1:]


def listed(mark: str) -> list[list[str]]:
    """The cells of a table in docs/capacity.md, its head left out."""
    text = (DOCS / "capacity.md").read_text()
    part = text.partition(f"<!-- {mark} -->")[2].partition(f"<!-- /{mark} -->")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_documented_tables_are_what_it_prints(app: typer.Typer) -> None:
    found = {name: facts(app, name)["tables_by_languages"] for name in KNOWN}
    for number, row in enumerate(listed("tables")):
        each = [found[name][number] for name in KNOWN]
        assert row[:2] == [str(each[0]["languages"]), str(each[0]["memories"])]
        assert row[2:] == [f"{made['device_bytes'] / 1e6:.1f}" for made in each]
    assert listed("tables")


def test_the_documented_ratios_are_what_it_prints(app: typer.Typer) -> None:
    for model, devices, *cells in listed("ratios"):
        ranks, _, name = devices.partition(" × ")
        (device,) = facts(app, model, "--hardware", name)["devices"]
        rows = {row["tokens"]: row for row in device["decode"]}
        last = device["decode"][-1]
        ratios = [row["ratio"] for row in (rows[1], rows[32], last, device["prefill"])]
        assert device["tensor_ranks"] == int(ranks)
        assert cells == [
            str(device["sequences"]),
            *(f"{ratio:.3f}" for ratio in ratios),
            f"{1e6 * last['edit_seconds_a_token']:.1f}",
        ]
    assert listed("ratios")
