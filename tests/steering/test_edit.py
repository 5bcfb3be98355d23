"""The edit against a plain loop in float64."""

import numpy as np
import pytest
import torch

from steering.edit import edit_neurons, edit_output, memory_gains

TOKENS, NEURONS, ROWS, HIDDEN = 7, 24, 4, 5


def inputs(dtype: torch.dtype, seed: int = 0) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(seed)
    y = torch.randn(TOKENS, NEURONS, generator=g)
    y[0, :4] = torch.tensor([-0.0, 0.0, torch.inf, -torch.inf])
    columns = torch.randperm(NEURONS, generator=g)[:9]
    tables = {name: torch.randn(ROWS, 9, generator=g) for name in ("add_RC", "scale_RC")}
    tables["add_RC"][0] = 99.0  # row 0 must not be read, whatever it holds
    return {
        "y_TI": y.to(dtype),
        "columns_C": columns,
        **tables,
        "row_T": torch.tensor([0, 1, 2, 3, 0, 1, 2]),
        "strength_T": torch.tensor([0.0, 1.0, 0.5, 2.0, 1.0, 0.25, 1.0]),
    }


def plain(given: dict[str, torch.Tensor]) -> np.ndarray:
    y = given["y_TI"].double().numpy().copy()
    for t in range(TOKENS):
        row, strength = int(given["row_T"][t]), float(given["strength_T"][t])
        if row == 0:
            continue
        for slot, column in enumerate(given["columns_C"].tolist()):
            add, scale = float(given["add_RC"][row, slot]), float(given["scale_RC"][row, slot])
            y[t, column] += strength * (add + scale * y[t, column])
    return y


@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 1e-6), (torch.bfloat16, 2**-8), (torch.float16, 2**-11)],
)
def test_neuron_edit_equals_a_plain_loop_in_float64(dtype: torch.dtype, tolerance: float) -> None:
    given = inputs(dtype)
    expected = plain(given)
    result = edit_neurons(**given)
    assert result.dtype == dtype
    np.testing.assert_allclose(result.double().numpy(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_row_zero_keeps_every_bit(dtype: torch.dtype) -> None:
    given = inputs(dtype)
    before = given["y_TI"].clone()
    bits = torch.int32 if dtype == torch.float32 else torch.int16
    result = edit_neurons(**given)
    unsteered = given["row_T"] == 0
    assert torch.equal(result[unsteered].view(bits), before[unsteered].view(bits))


def test_columns_outside_the_list_keep_every_bit() -> None:
    given = inputs(torch.float32)
    before = given["y_TI"].clone()
    rest = sorted(set(range(NEURONS)) - set(given["columns_C"].tolist()))
    result = edit_neurons(**given)
    assert torch.equal(result[:, rest].view(torch.int32), before[:, rest].view(torch.int32))


def test_set_ablate_scale_and_add_are_special_cases() -> None:
    y = torch.tensor([[2.0, 2.0, 2.0, 2.0]])
    result = edit_neurons(
        y,
        torch.arange(4),
        torch.tensor([[0.0] * 4, [7.0, 0.0, 0.0, 0.5]]),
        torch.tensor([[0.0] * 4, [-1.0, -1.0, 2.0, 0.0]]),
        torch.tensor([1]),
        torch.tensor([1.0]),
    )
    assert result.tolist() == [[7.0, 0.0, 6.0, 2.5]]


TARGET, AWAY, OTHER_AWAY, OFFSET, FOREIGN, UNUSED = range(6)
HAS = {1: [TARGET], 2: [TARGET, AWAY, OTHER_AWAY, OFFSET], 3: [FOREIGN, OFFSET]}


def memories(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    """Places as a bank has them, and rows that have one of them, several, and two others."""
    g = torch.Generator().manual_seed(2)
    given = {name: torch.randn(TOKENS, HIDDEN, generator=g).to(dtype) for name in ("h", "x")}
    given["h"][0, 0] = -0.0
    given["x"][1] = 0.0  # nothing to divide by
    given |= {name: torch.randn(6, HIDDEN, generator=g) for name in ("key", "value")}
    given["bias"] = torch.randn(6, generator=g)
    given["key"][OFFSET], given["bias"][OFFSET] = 0.0, 0.0
    given["on"] = torch.zeros(ROWS, 6)
    for row, places in HAS.items():
        given["on"][row, places] = 1.0
    return given | {
        "row": torch.tensor([0, 1, 2, 3, 0, 1, 2]),
        "strength": torch.tensor([0.0, 1.0, 0.5, 2.0, 1.0, 0.25, 1.0]),
    }


def remembered(given: dict[str, torch.Tensor], *, keys: bool = True) -> torch.Tensor:
    gains = memory_gains(given["x"], given["key"], given["bias"])
    assert gains.dtype == torch.float32
    rows = given["row"], given["strength"]
    return edit_output(given["h"], given["on"], given["value"], *rows, gains if keys else None)


@pytest.mark.parametrize("keys", [True, False])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 1e-6), (torch.bfloat16, 2**-8), (torch.float16, 2**-11)],
)
def test_the_memories_of_a_row_equal_a_plain_loop_in_float64(
    dtype: torch.dtype, tolerance: float, keys: bool
) -> None:
    given = memories(dtype)
    result = remembered(given, keys=keys)
    assert result.dtype == dtype
    exact = {name: tensor.double().numpy() for name, tensor in given.items()}
    for t in range(TOKENS):
        x = exact["x"][t] / np.sqrt(np.mean(exact["x"][t] ** 2) + 1e-6)
        expected = exact["h"][t].copy()
        for place in HAS.get(int(given["row"][t]), []):
            gain = 2 / (1 + np.exp(-(exact["key"][place] @ x + exact["bias"][place])))
            expected += exact["strength"][t] * (gain if keys else 1) * exact["value"][place]
        found = result[t].double().numpy()
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_row_zero_keeps_every_bit_of_the_output(dtype: torch.dtype) -> None:
    given = memories(dtype)
    given["on"][0] = 9.0  # row 0 must not be read, whatever it holds
    for name in ("key", "bias", "value"):
        given[name][UNUSED] = 65504.0
    result = remembered(given)
    bits = torch.int32 if dtype == torch.float32 else torch.int16
    unsteered = given["row"] == 0
    assert torch.equal(result[unsteered].view(bits), given["h"][unsteered].view(bits))


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_row_does_not_see_the_memories_it_has_not(dtype: torch.dtype) -> None:
    """Not in one bit, though they are the largest that a profile may hold."""
    given = memories(dtype)
    given["on"][3] = 0.0
    given["x"] *= 300  # large inputs, and keys that are on or off all the way
    alone = remembered(given)
    assert torch.equal(alone[given["row"] == 3], given["h"][given["row"] == 3])
    for sign in (1.0, -1.0):
        for name in ("key", "bias", "value"):
            given[name][[FOREIGN, UNUSED]] = sign * 65504.0
        given["on"][0, FOREIGN] = 1.0
        assert torch.equal(remembered(given), alone)
    given["on"][3, FOREIGN], given["key"][FOREIGN], given["bias"][FOREIGN] = 1.0, 0.0, 0.0
    assert not torch.equal(remembered(given), alone)  # it was there to be seen


def test_all_of_a_row_is_rounded_once() -> None:
    """In bfloat16 1 + 1/256 twice, each rounded, is 1; rounded once it is 1 + 1/128."""
    one, small = torch.ones(1, 1, dtype=torch.bfloat16), torch.full((2, 1), 2.0**-8)
    on, row = torch.ones(2, 2), torch.ones(1, dtype=torch.int64)
    out = edit_output(one, on, small, row, torch.ones(1), torch.ones(1, 2))
    assert out.item() == 1 + 2.0**-7


def test_a_memory_without_key_and_bias_is_on_by_one_whatever_the_input() -> None:
    given = memories(torch.float32)
    gains = memory_gains(1e3 * given["x"], given["key"], given["bias"])
    assert (gains[:, OFFSET] == 1).all()
    assert (gains[:, TARGET] != 1).all()


def test_torch_compile_sees_through_both_in_one_graph() -> None:
    """No graph break, and the same numbers compiled (aot_eager: no C++ compiler needed)."""
    given = inputs(torch.float32)
    eager = edit_neurons(**{**given, "y_TI": given["y_TI"].clone()})
    compiled = torch.compile(edit_neurons, fullgraph=True, dynamic=True, backend="aot_eager")
    assert torch.equal(
        compiled(**{**given, "y_TI": given["y_TI"].clone()}).nan_to_num(), eager.nan_to_num()
    )


def test_what_float16_cannot_hold_is_its_largest_number() -> None:
    """Infinite values would become NaN downstream, and stay in the KV cache for others."""
    given = inputs(torch.float16)
    given["y_TI"][:, :] = 60000.0
    given["add_RC"][:] = 60000.0
    given["scale_RC"][:] = 0.0
    result = edit_neurons(**given)
    assert torch.isfinite(result).all()
    steered = given["row_T"] != 0
    assert (result[steered][:, given["columns_C"]] == 65504.0).all()
    h, on = torch.full((TOKENS, HIDDEN), -60000.0).half(), torch.ones(ROWS, 3)
    value, gains = torch.full((3, HIDDEN), -65504.0), torch.full((TOKENS, 3), 2.0)
    for gain in (None, gains):
        out = edit_output(h, on, value, given["row_T"], given["strength_T"], gain)
        assert (out[steered] == -65504.0).all()
        assert torch.equal(out[~steered], h[~steered])
    # Inputs at the format's end have a root mean square that float32 holds.
    x, key = torch.full((TOKENS, HIDDEN), 65504.0).half(), torch.full((3, HIDDEN), 65504.0)
    assert (memory_gains(x, key, torch.zeros(3)) == 2).all()


def test_other_formats_are_not_touched() -> None:
    h, value = torch.full((TOKENS, HIDDEN), 60000.0), torch.full((1, HIDDEN), 60000.0)
    row, strength = torch.ones(TOKENS, dtype=torch.int64), torch.full((TOKENS,), 8.0)
    assert (edit_output(h, torch.ones(2, 1), value, row, strength) == 540000.0).all()
