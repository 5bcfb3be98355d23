"""Finding and arming FFNs, on modules shaped like vLLM's."""

import pytest
import torch
from torch import nn

from steering.capacity import Capacity
from steering.engine import ffn
from steering.errors import EngineError
from steering.tables import Tables
from steering.tokens import Tokens


class Row(nn.Linear):
    """A row-parallel projection: returns (output, bias)."""

    def __init__(self, wide: int, narrow: int) -> None:
        super().__init__(wide, narrow, bias=False)
        self.input_size = self.input_size_per_partition = wide
        self.output_size = narrow

    def forward(self, x):
        return super().forward(x), None


class Column(nn.Linear):
    """A column-parallel projection."""

    def __init__(self, narrow: int, wide: int) -> None:
        super().__init__(narrow, wide, bias=False)
        self.input_size, self.output_size = narrow, wide


class MLP(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.up = Column(4, 32)
        self.act_fn = nn.GELU()
        self.down_proj = Row(32, 4)

    def forward(self, x):
        return self.down_proj(self.act_fn(self.up(x)))[0]


class Gated(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.self_attn = nn.Identity()
        self.mlp = MLP()


class OPT(nn.Module):
    """No FFN module of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.self_attn = nn.Identity()
        self.fc1 = Column(4, 32)
        self.activation_fn = nn.ReLU()
        self.fc2 = Row(32, 4)

    def forward(self, x):
        return self.fc2(self.activation_fn(self.fc1(x)))[0]


class Model(nn.Module):
    def __init__(self, layer: type[nn.Module], count: int = 2) -> None:
        super().__init__()
        self.layers = nn.ModuleList(layer() for _ in range(count))


def armed(
    model: nn.Module, *, columns: int, memories: int = 2, keys: bool = False
) -> tuple[Tables, Tokens]:
    capacity = Capacity(
        columns=(columns,) * 2,
        memories=memories,
        keys=keys,
        hidden_size=4,
        intermediate_size=32,
    )
    tables = Tables(capacity, layers=[0, 1], shard=(0, 32), rows=2)
    tokens = Tokens(8)
    list(ffn.install(ffn.find_ffns(model), tables, tokens))
    return tables, tokens


def offset(tables: Tables, layer: int, value: float | torch.Tensor) -> None:
    """Give row 1 an offset in one layer."""
    tables.bank.on[1, 0] = 1.0
    tables.bank.layers[layer].value[0] = value


@pytest.mark.parametrize("layer", [Gated, OPT])
def test_both_edits_reach_the_output(layer: type[nn.Module]) -> None:
    torch.manual_seed(0)
    model = Model(layer)
    block = model.layers[1]
    run = block.mlp if layer is Gated else block
    x = torch.randn(3, 4)
    before = run(x)
    tables, tokens = armed(model, columns=32)
    tables.layers[1].add[1] = 1.0
    tables.layers[1].scale[1] = -1.0
    offset(tables, 1, 10.0)
    tokens.row[:3] = torch.tensor([0, 1, 1])
    tokens.strength[:3] = torch.tensor([0.0, 1.0, 1.0])
    after = run(x)
    assert torch.equal(after[0], before[0])
    down = block.mlp.down_proj if layer is Gated else block.fc2
    expected = down.weight.sum(1) + 10.0  # every neuron set to 1, then the offset
    torch.testing.assert_close(after[1:], expected.expand(2, 4))


def test_a_batch_of_one_in_front_changes_nothing() -> None:
    """Models that vLLM runs through transformers have it."""
    torch.manual_seed(0)
    model = Model(Gated)
    tables, tokens = armed(model, columns=32)
    tables.layers[1].add[1] = torch.randn(32)
    offset(tables, 1, torch.randn(4))
    tokens.row[:3] = torch.tensor([0, 1, 1])
    tokens.strength[:3] = torch.tensor([0.0, 1.0, 0.5])
    x = torch.randn(3, 4)
    flat = model.layers[1].mlp(x)
    assert torch.equal(model.layers[1].mlp(x.unsqueeze(0)), flat.unsqueeze(0))


class Talkative(MLP):
    """Gives more than its output, takes more than its input."""

    def forward(self, x, scale=1.0):
        return super().forward(x) * scale, "more"


@pytest.mark.parametrize("compiled", [True, False])
def test_memories_read_the_ffns_input_and_reach_its_output(compiled: bool) -> None:
    torch.manual_seed(0)
    model = Model(Gated)
    model.layers[1].mlp = Talkative()
    x = torch.randn(3, 4)
    before, _ = model.layers[1].mlp(x)
    tables, tokens = armed(model, columns=0, memories=4, keys=True)
    layer = tables.bank.layers[1]
    for table in (layer.key, layer.bias, layer.value):
        table.copy_(torch.randn(table.shape))
    tables.bank.on[1] = torch.tensor([0.0, 1.0, 1.0, 0.0])
    tokens.row[:3] = torch.tensor([0, 1, 1])
    tokens.strength[:3] = torch.tensor([0.0, 1.0, 0.5])

    def run(*args, **kwargs):
        return model.layers[1].mlp(*args, **kwargs)

    if compiled:
        run = torch.compile(run, fullgraph=True, backend="aot_eager")
    after, more = run(x)
    assert more == "more"
    assert torch.equal(after[0], before[0])
    scaled = x / (x.square().mean(1, keepdim=True) + 1e-6).sqrt()
    change = sum(
        2
        * torch.sigmoid(scaled @ layer.key[place] + layer.bias[place])[:, None]
        * layer.value[place]
        for place in (1, 2)
    )
    expected = before + tokens.strength[:3, None] * change
    torch.testing.assert_close(after[1:], expected[1:])
    # By keyword, with arguments that are not the input, with a batch of one in front.
    assert torch.equal(run(x=x, scale=1.0)[0], after)
    assert torch.equal(run(x, scale=1.0)[0], after)
    assert torch.equal(run(x.unsqueeze(0))[0], after.unsqueeze(0))


def test_a_row_without_memories_keeps_the_ffns_output() -> None:
    torch.manual_seed(0)
    model = Model(Gated)
    x = torch.randn(2, 4)
    before = model.layers[0].mlp(x)
    tables, tokens = armed(model, columns=0, keys=True)
    tables.bank.layers[0].value[:] = 99.0
    tables.bank.on[0] = 1.0  # nobody's
    tokens.row[:2], tokens.strength[:2] = 1, 3.0
    assert torch.equal(model.layers[0].mlp(x), before)


@pytest.mark.parametrize("last", ["gate_up", "down"])
def test_a_merged_gate_and_up_may_come_before_or_after(last: str) -> None:
    class Merged(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.act = nn.SiLU()
            made = {"gate_up": Column(4, 64), "down": Row(32, 4)}
            for name in sorted(made, key=lambda name: name == last):
                setattr(self, name, made[name])

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mlp = Merged()

    (one, _) = ffn.find_ffns(Model(Layer))
    assert (one.activation, one.down, one.width) == ("act", "down", 32)


def test_a_gate_that_no_module_multiplies_is_refused() -> None:
    class Apart(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.gate, self.up, self.down = Column(4, 32), Column(4, 32), Row(32, 4)
            self.act = nn.SiLU()

    class Layer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mlp = Apart()

    with pytest.raises(EngineError, match="gate and up projections of its own"):
        ffn.find_ffns(Model(Layer))


def test_an_unsteered_eager_step_skips_the_edit() -> None:
    model = Model(Gated)
    tables, tokens = armed(model, columns=16)
    tokens.row[:2], tokens.strength[:2] = 1, 1.0
    offset(tables, 0, 10.0)
    x = torch.randn(2, 4)
    steered = model.layers[0].mlp(x)
    tokens.active = False
    torch.testing.assert_close(model.layers[0].mlp(x), steered - 10.0)


def test_layers_without_capacity_are_left_alone() -> None:
    model = Model(Gated)
    armed(model, columns=0)
    assert type(model.layers[0].mlp.act_fn) is nn.GELU
    model = Model(Gated)
    armed(model, columns=16, memories=0)
    assert "forward" not in vars(model.layers[0].mlp)


def test_buffers_stay_out_of_checkpoints() -> None:
    model = Model(Gated)
    before = set(model.state_dict())
    tables, _ = armed(model, columns=16, keys=True)
    assert set(model.state_dict()) == before
    held = {id(buffer) for buffer in model.buffers()}
    layers = [*tables.layers.values(), *tables.bank.layers.values()]
    kept = [tables.bank.on, *(tensor for layer in layers for tensor in vars(layer).values())]
    assert len(kept) == 1 + 2 * 6
    assert {id(tensor) for tensor in kept} <= held


def test_models_without_ffns_that_it_knows_are_refused_by_name() -> None:
    class OwnMoE(nn.Module):
        """Not on vLLM's fused experts; its shared experts must not pass for the layer's FFN."""

        def __init__(self) -> None:
            super().__init__()
            self.shared = MLP()

    class Sparse(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.mlp = OwnMoE()

    with pytest.raises(
        EngineError, match=r"Model is a mixture of experts \(OwnMoE at layers.0.mlp"
    ):
        ffn.find_ffns(Model(Sparse))
    with pytest.raises(EngineError, match="no feed-forward layer found in Model"):
        ffn.find_ffns(Model(nn.Identity))


def test_the_shard_is_checked_against_the_profiles_width() -> None:
    (one, _) = ffn.find_ffns(Model(Gated))
    assert ffn.shard(one, 64, rank=1, world=2) == (32, 64)
    with pytest.raises(EngineError, match="32 neurons on each of 1 ranks"):
        ffn.shard(one, 64, rank=0, world=1)
    one.down_proj.reduce_results = False
    assert ffn.shard(one, 32, rank=0, world=1) == (0, 32)
    with pytest.raises(EngineError, match="once a rank"):
        ffn.shard(one, 64, rank=1, world=2)
