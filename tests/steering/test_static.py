"""What stays as it is while profiles come and go: memory, compiled code, a step's work."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch.utils._python_dispatch import TorchDispatchMode

from steering.batch import Batch
from steering.capacity import Capacity, plan
from steering.engine import ffn
from steering.request import SteeringRequest
from steering.tables import Tables
from steering.tokens import Tokens
from tests.steering.test_ffn import Gated, Model


class Called(TorchDispatchMode):
    """Names of the operators that run meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.names.add(str(func))
        return func(*args, **(kwargs or {}))


def test_loading_neither_moves_memory_nor_compiles_anything_anew(
    make_profile: Any, make_edit: Any
) -> None:
    torch._dynamo.reset()
    first = make_profile("de", make_edit({(0, 1): (1.0, 0.0), (1, 7): (2.0, -0.5)}, {1: 3.0}))
    second = make_profile("ja", make_edit({(0, 9): (5.0, 0.0)}, memories={0: (1.0, -0.5, -2.0)}))
    model = Model(Gated, count=3)
    tables = Tables(
        Capacity.from_config(plan([first, second])), layers=[0, 1, 2], shard=(0, 32), rows=4
    )
    tokens = Tokens(16)
    batch = Batch(tables, tokens)
    list(ffn.install(ffn.find_ffns(model), tables, tokens))
    where = {name: buffer.data_ptr() for name, buffer in model.named_buffers()}
    graphs: list[Any] = []

    def compiler(graph: Any, _inputs: Any) -> Any:
        graphs.append(graph)
        return graph.forward

    @torch.compile(backend=compiler, fullgraph=True, dynamic=True)
    def layers(x: torch.Tensor) -> torch.Tensor:
        for layer in model.layers:
            x = layer.mlp(x)
        return x

    x = torch.randn(5, 4)
    plain = layers(x)
    compiled = len(graphs)
    for n, profile in enumerate((first, second)):
        content_hash = tables.load(profile)
        batch.add(str(n), SteeringRequest(target=content_hash).to_extra_args())
        batch.fill([str(n)], *(np.array([k], np.int32) for k in (5, 0, 5)))
        steered = layers(x)
        assert not torch.allclose(steered, plain)
        batch.remove(str(n))
        batch.slots.forget(content_hash)
        tables.unload(content_hash)
    tokens.clear()
    assert torch.equal(layers(x), plain)
    assert compiled == len(graphs) == 1
    assert {name: buffer.data_ptr() for name, buffer in model.named_buffers()} == where


def test_laying_out_a_step_only_copies_into_what_is_there() -> None:
    """No tensor is made, and nothing is read back from the device."""
    tokens = Tokens(64)
    for steered in (True, True, False):
        with Called() as called:
            tokens.fill(
                scheduled=np.array([20, 1, 9], np.int32),
                computed=np.array([0, 30, 0], np.int32),
                first=[0, 29, 8],
                rows=[1, 2, 0] if steered else [0, 0, 0],
                strengths=[1.0, 0.5, 0.0],
            )
        views = {"aten.slice.Tensor", "aten.detach.default"}
        assert called.names - views == {"aten.copy_.default"}
