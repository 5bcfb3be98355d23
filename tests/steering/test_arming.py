"""Which layers a rank must be able to edit, and which engines are refused."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
import torch

from steering.capacity import Capacity
from steering.engine import arming
from steering.errors import EngineError
from tests.steering.test_experts import Sparse, mixed
from tests.steering.test_ffn import OPT, Model

distributed = pytest.importorskip("vllm.distributed", reason="vLLM is not installed")


def on(monkeypatch: pytest.MonkeyPatch, rank: int, size: int) -> None:
    group = SimpleNamespace(rank_in_group=rank, world_size=size)
    monkeypatch.setattr(distributed, "get_pp_group", lambda: group)


def test_one_rank_needs_every_layer(monkeypatch: pytest.MonkeyPatch) -> None:
    on(monkeypatch, 0, 1)
    arming._check_layers([0, 1, 2, 3], 4)
    for found in ([0, 1, 2], [0, 2, 3], [0, 1, 2, 3, 4]):
        with pytest.raises(EngineError, match="the profiles need them in 0-3"):
            arming._check_layers(found, 4)


def test_pipeline_ranks_need_their_own_by_global_index(monkeypatch: pytest.MonkeyPatch) -> None:
    for rank, layers in enumerate(([0, 1], [2, 3])):
        on(monkeypatch, rank, 2)
        arming._check_layers(layers, 4)
        with pytest.raises(EngineError, match=f"need them in {layers[0]}-{layers[1]}"):
            arming._check_layers([0, 1, 2, 3], 4)


def test_layers_are_named_by_ranges() -> None:
    assert arming._ranges([0, 1, 2, 5, 7, 8]) == "0-2, 5, 7-8"
    assert arming._ranges([]) == "none"


def arm(
    monkeypatch: pytest.MonkeyPatch, model: Any, *, memories: int = 16, keys: bool = False
) -> Any:
    on(monkeypatch, 0, 1)
    monkeypatch.setattr(distributed, "get_tensor_model_parallel_rank", lambda: 0)
    monkeypatch.setattr(distributed, "get_tensor_model_parallel_world_size", lambda: 1)
    capacity = Capacity(
        columns=(16, 16),
        memories=memories,
        keys=keys,
        hidden_size=4,
        intermediate_size=32,
    )
    given = SimpleNamespace(
        additional_config={"langsteer": capacity.to_config()},
        parallel_config=SimpleNamespace(),
        cache_config=SimpleNamespace(),
        speculative_config=None,
        model_config=SimpleNamespace(runner_type="generate", dtype=torch.bfloat16),
        scheduler_config=SimpleNamespace(max_num_seqs=2, max_num_batched_tokens=8),
        max_concurrent_batches=1,
    )
    return arming.arm(given, model, torch.device("cpu"))


def test_layers_of_experts_are_armed_for_offsets_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    tables = arm(monkeypatch, mixed()).tables
    assert [tables.layers[n].columns is None for n in (0, 1)] == [False, True]
    only = arm(monkeypatch, Model(Sparse)).tables
    assert all(layer.columns is None for layer in only.layers.values())
    for each in (tables, only):
        assert {n: held.key for n, held in each.bank.layers.items()} == {0: None, 1: None}


def test_neuron_edits_alone_are_refused_where_no_layer_has_any(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    with pytest.raises(EngineError, match=r"every layer is a mixture .* Offsets .* work"):
        arm(monkeypatch, Model(Sparse), memories=0)
    assert arm(monkeypatch, mixed(), memories=0).tables.layers[0].columns is not None


def test_memories_reach_dense_layers_and_mixtures(monkeypatch: pytest.MonkeyPatch) -> None:
    for model in (mixed(), Model(Sparse)):
        bank = arm(monkeypatch, model, keys=True).tables.bank
        for n, layer in enumerate(model.layers):
            assert layer.mlp.langsteer_output.on is bank.on
            assert layer.mlp.langsteer_output.key is bank.layers[n].key is not None


def test_memories_are_refused_where_no_module_has_the_ffns_input(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    model = Model(OPT)
    with pytest.raises(EngineError, match=r"memories, and layer 0 \(OPT\) .* Offsets work there"):
        arm(monkeypatch, model, keys=True)
    assert type(model.layers[0].activation_fn) is torch.nn.ReLU  # nothing was changed
    assert arm(monkeypatch, model).tables.bank.layers[0].key is None
    assert model.layers[0].fc2.langsteer_output.key is None


def config(**changed: Any) -> SimpleNamespace:
    """What arming looks at of a vLLM configuration, with `part__field=value` changed."""
    parts = {
        "parallel_config": {"enable_dbo": False, "prefill_context_parallel_size": 1},
        "cache_config": {"kv_sharing_fast_prefill": False},
        "speculative_config": {"enable_adaptive_verification": False},
        "model_config": {"runner_type": "generate"},
    }
    for name, value in changed.items():
        part, field = name.split("__")
        parts[part][field] = value
    return SimpleNamespace(**{part: SimpleNamespace(**fields) for part, fields in parts.items()})


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"parallel_config__enable_dbo": True}, "without --enable-dbo"),
        ({"parallel_config__prefill_context_parallel_size": 2}, "re-slices tokens"),
        ({"parallel_config__enable_hc_sp": True}, "without --enable-hc-sp"),
        ({"cache_config__kv_sharing_fast_prefill": True}, "without --kv-sharing-fast-prefill"),
        ({"speculative_config__enable_adaptive_verification": True}, "--speculative-config"),
        ({"model_config__runner_type": "pooling"}, "generates no text"),
    ],
)
def test_engines_that_cannot_be_steered(changed: dict[str, Any], said: str) -> None:
    arming._refuse_unsupported(config())
    with pytest.raises(EngineError, match=said):
        arming._refuse_unsupported(config(**changed))


def test_a_connector_is_refused_whichever_option_asked_for_it() -> None:
    given = config()
    given.kv_transfer_config = object()
    with pytest.raises(EngineError, match="KV connector"):
        arming._refuse_unsupported(given)


@pytest.mark.parametrize("name", ["enable_sp", "fuse_gemm_comms"])
def test_passes_that_leave_ranks_with_part_of_the_tokens_are_refused(name: str) -> None:
    given = config()
    given.compilation_config = SimpleNamespace(pass_config=SimpleNamespace(**{name: True}))
    with pytest.raises(EngineError, match="a part of the tokens; start without enable_sp"):
        arming._refuse_unsupported(given)
