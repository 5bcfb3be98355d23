"""The recorder inside a vLLM worker, on a stand-in for the runner; and the joining of workers."""

from __future__ import annotations

import sys
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from profiles.finding.backend import BackendError
from steering.engine.record import join
from steering.engine.record_worker import ROW_KEY, RecordExtension

HIDDEN, NEURONS, LAYERS = 4, 6, 2


class SiluAndMul(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        gate, up = x.chunk(2, dim=-1)
        return nn.functional.silu(gate) * up


SiluAndMul.__module__ = "vllm.model_executor.layers.activation"  # where vLLM's is


class GateUp(nn.Linear):
    def __init__(self) -> None:
        super().__init__(HIDDEN, 2 * NEURONS, bias=False)
        self.input_size, self.output_size = HIDDEN, 2 * NEURONS


class Down(nn.Module):
    """The slice of a down projection that one rank has; vLLM's return (output, bias)."""

    def __init__(self, neurons: int) -> None:
        super().__init__()
        self.linear = nn.Linear(neurons, HIDDEN, bias=False)
        self.input_size = self.input_size_per_partition = neurons
        self.output_size = HIDDEN

    def forward(self, y: Tensor) -> tuple[Tensor, None]:
        return self.linear(y), None


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.gate_up_proj = GateUp()
        self.act_fn = SiluAndMul()
        self.down_proj = Down(NEURONS)

    def forward(self, x: Tensor) -> Tensor:
        out: Tensor = self.down_proj(self.act_fn(self.gate_up_proj(x)))[0]
        return out


class Model(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embed = nn.Embedding(20, HIDDEN)
        self.layers = nn.ModuleList(nn.ModuleDict({"mlp": MLP()}) for _ in range(LAYERS))

    def forward(self, ids: Tensor) -> Tensor:
        x: Tensor = self.embed(ids)
        for layer in self.layers:
            x = x + layer["mlp"](x)
        return x


class Runner:
    """Runs steps of (request, first position, tokens), as vLLM's V1 runner would."""

    def __init__(self, prompts: dict[str, list[int]]) -> None:
        self.device = torch.device("cpu")
        self.model = Model()
        self.prompts = prompts
        rows = {name: row for row, name in enumerate(prompts)}
        self.requests = {
            name: SimpleNamespace(sampling_params=SimpleNamespace(extra_args={ROW_KEY: row}))
            for name, row in rows.items()
        }
        self.requests["stranger"] = SimpleNamespace(
            sampling_params=SimpleNamespace(extra_args=None)
        )
        self.input_batch = SimpleNamespace(req_ids=[], num_computed_tokens_cpu=np.zeros(8, int))

    def get_model(self) -> nn.Module:
        return self.model

    def _prepare_inputs(self, _output: Any, _scheduled: Any) -> None: ...

    def step(self, *parts: tuple[str, int, int], padding: int = 0) -> None:
        self.input_batch.req_ids = [name for name, _, _ in parts]
        for at, (_, first, _) in enumerate(parts):
            self.input_batch.num_computed_tokens_cpu[at] = first
        self._prepare_inputs(None, np.array([count for _, _, count in parts]))
        ids: list[int] = []
        for name, first, count in parts:
            ids += self.prompts.get(name, [9] * 9)[first : first + count]
        with torch.inference_mode():
            self.model(torch.tensor(ids + [3] * padding))


@pytest.fixture(autouse=True)
def one_rank(monkeypatch: pytest.MonkeyPatch) -> None:
    distributed: Any = ModuleType("vllm.distributed")
    distributed.get_tensor_model_parallel_rank = lambda: 0
    monkeypatch.setitem(sys.modules, "vllm", ModuleType("vllm"))
    monkeypatch.setitem(sys.modules, "vllm.distributed", distributed)


PROMPTS = {"a": [2, 5, 6, 7, 8], "b": [2, 10, 11], "c": [2, 12, 13, 14]}
REAL = [[False, True, True, False, True], [False, True, True], [False, True, True, True]]
LABELS = [1, 0, 1]


def worker(prompts: dict[str, list[int]] = PROMPTS) -> tuple[Any, Runner]:
    extension: Any = RecordExtension()
    extension.model_runner = Runner(prompts)
    return extension, extension.model_runner


def expected() -> dict[str, np.ndarray]:
    """One sentence at a time, the obvious way."""
    model = Model()
    out: dict[str, list[Any]] = {"means": [], "gates": [], "units": [], "outputs": []}
    for ids, real in zip(PROMPTS.values(), REAL, strict=True):
        x = model.embed(torch.tensor(ids))
        rows: dict[str, list[Tensor]] = {"units": [], "gates": [], "outputs": []}
        for layer in model.layers:
            both = layer["mlp"].gate_up_proj(x)
            y = layer["mlp"].act_fn(both)
            h = layer["mlp"].down_proj(y)[0]
            x = x + h
            for name, value in (("units", y), ("gates", both[:, :NEURONS]), ("outputs", h)):
                rows[name].append(value[torch.tensor(real)].detach())
        for name, values in rows.items():
            out[name].append(torch.stack(values, 1))
        out["means"].append(out["units"][-1].mean(0))
    by_label = [[1], [0, 2]]

    def total(name: str, of: Any) -> np.ndarray:
        return np.stack(
            [sum(of(out[name][row]).sum(0) for row in rows).numpy() for rows in by_label]
        )

    return {
        "means": torch.stack(out["means"]).numpy(),
        "sums": total("units", lambda y: y),
        "squares": total("units", lambda y: y**2),
        "active": total("gates", lambda g: (g > 0).long()),
        "outputs": total("outputs", lambda h: h),
    }


def check(answer: dict[str, Any]) -> None:
    recorded = join([answer])
    assert recorded.labels.tolist() == [0, 1]
    assert recorded.parts == (("mlp.down_proj", NEURONS),)
    for name, value in expected().items():
        np.testing.assert_allclose(getattr(recorded, name), value, atol=1e-5, err_msg=name)


def test_chunks_in_any_order_and_padding_add_up() -> None:
    extension, runner = worker()
    assert extension.langsteer_record_begin(LABELS, REAL) == {}
    runner.step(("b", 0, 2), ("a", 0, 3), padding=2)
    runner.step(("a", 3, 2), ("stranger", 0, 2), ("b", 2, 1))
    runner.step(("c", 0, 4), padding=1)
    check(extension.langsteer_record_end())


def test_a_preempted_request_counts_once_and_what_is_generated_never() -> None:
    extension, runner = worker({**PROMPTS, "c": [*PROMPTS["c"], 15, 16]})
    extension.langsteer_record_begin(LABELS, REAL)
    runner.step(("a", 0, 3), ("c", 0, 2))
    runner.step(("a", 0, 5), ("c", 0, 4), ("b", 0, 3))
    runner.step(("c", 4, 2))
    check(extension.langsteer_record_end())


def test_batches_do_not_mix() -> None:
    extension, runner = worker()
    for _ in range(2):
        runner.step(("stranger", 0, 3))
        extension.langsteer_record_begin(LABELS, REAL)
        runner.step(("a", 0, 5), ("b", 0, 3), ("c", 0, 4))
        check(extension.langsteer_record_end())


def test_a_sentence_that_was_not_run_in_full_is_an_error() -> None:
    extension, runner = worker()
    extension.langsteer_record_begin(LABELS, REAL)
    runner.step(("a", 0, 4), ("b", 0, 3))
    assert extension.langsteer_record_end() == {"error": "2 of 3 sentences were not run in full"}


def test_another_runner_is_an_error_that_names_it() -> None:
    extension: Any = RecordExtension()
    extension.model_runner = SimpleNamespace()
    answer = extension.langsteer_record_begin([0], [[True]])
    assert "SimpleNamespace is not vLLM's V1 model runner" in answer["error"]


def _slice(answer: dict[str, Any], rank: int, layers: list[int]) -> dict[str, Any]:
    """What a worker would send that has half of the neurons and some of the layers."""
    out: dict[str, Any] = {**answer, "rank": rank, "layers": layers}
    half = NEURONS // 2
    for name in ("means", "sums", "squares", "active", "outputs"):
        dtype, shape, data = answer[name]
        array = np.frombuffer(data, dtype).reshape(shape)[:, layers]
        if name != "outputs":
            array = array[:, :, half * rank : half * (rank + 1)]
        out[name] = [dtype, list(array.shape), array.tobytes()]
    return out


@pytest.fixture
def whole() -> dict[str, Any]:
    extension, runner = worker()
    extension.langsteer_record_begin(LABELS, REAL)
    runner.step(("a", 0, 5), ("b", 0, 3), ("c", 0, 4))
    answer: dict[str, Any] = extension.langsteer_record_end()
    return answer


@pytest.mark.parametrize("stages", [[[0, 1]], [[0], [1]]])
def test_slices_of_neurons_and_layers_are_joined(
    whole: dict[str, Any], stages: list[list[int]]
) -> None:
    slices = [_slice(whole, rank, layers) for layers in stages for rank in (0, 1)]
    joined = join(slices[::-1])
    for name in ("means", "sums", "squares", "active", "outputs"):
        np.testing.assert_array_equal(getattr(joined, name), getattr(join([whole]), name))


def test_a_missing_slice_is_an_error(whole: dict[str, Any]) -> None:
    for missing in ([_slice(whole, 1, [0, 1])], [_slice(whole, 0, [1])]):
        with pytest.raises(BackendError, match="workers hold layers"):
            join(missing)


def test_a_mixture_of_experts_has_no_neurons_to_record() -> None:
    extension, runner = worker()
    experts = nn.Module()
    experts.moe_config, experts.routed_experts = SimpleNamespace(), nn.Identity()
    runner.model.layers[1]["mlp"] = nn.ModuleDict({"experts": experts})
    error = extension.langsteer_record_begin(LABELS, REAL)["error"]
    assert error.startswith("Model: layer 1 is a mixture of experts")
    assert "Offsets on the FFN outputs work" in error
