"""The edit against a plain loop in float64."""

import numpy as np
import pytest
import torch

from steering.edit import edit_memory, edit_neurons, edit_output, memory_gain

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


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_output_offset_equals_float64_and_spares_row_zero(dtype: torch.dtype) -> None:
    g = torch.Generator().manual_seed(1)
    h = torch.randn(3, HIDDEN, generator=g).to(dtype)
    h[0, 0] = -0.0
    offset = torch.randn(ROWS, HIDDEN, generator=g)
    row, strength = torch.tensor([0, 2, 1]), torch.tensor([1.0, 0.5, 2.0])
    result = edit_output(h, offset, row, strength)
    bits = torch.int32 if dtype == torch.float32 else torch.int16
    assert torch.equal(result[0].view(bits), h[0].view(bits))
    expected = h.double() + strength.double()[:, None] * offset.double()[row]
    tolerance = 1e-6 if dtype == torch.float32 else 2**-8
    torch.testing.assert_close(result[1:].double(), expected[1:], rtol=tolerance, atol=tolerance)


def memories(dtype: torch.dtype) -> dict[str, torch.Tensor]:
    g = torch.Generator().manual_seed(2)
    given = {name: torch.randn(TOKENS, HIDDEN, generator=g).to(dtype) for name in ("h", "x")}
    given["h"][0, 0] = -0.0
    given["x"][1] = 0.0  # nothing to divide by
    given |= {name: torch.randn(ROWS, HIDDEN, generator=g) for name in ("key", "value", "offset")}
    given["bias"] = torch.randn(ROWS, generator=g)
    for name in ("key", "value", "bias", "offset"):
        given[name][0] = torch.nan  # row 0 must not be read, whatever it holds
    return given | {
        "row": torch.tensor([0, 1, 2, 3, 0, 1, 2]),
        "strength": torch.tensor([0.0, 1.0, 0.5, 2.0, 1.0, 0.25, 1.0]),
    }


def with_memory(given: dict[str, torch.Tensor], *, offset: bool) -> torch.Tensor:
    gain = memory_gain(given["x"], given["key"], given["bias"], given["row"])
    assert gain.dtype == torch.float32
    return edit_memory(
        given["h"],
        gain,
        given["value"],
        given["row"],
        given["strength"],
        given["offset"] if offset else None,
    )


@pytest.mark.parametrize("offset", [True, False])
@pytest.mark.parametrize(
    ("dtype", "tolerance"),
    [(torch.float32, 1e-6), (torch.bfloat16, 2**-8), (torch.float16, 2**-11)],
)
def test_a_memory_equals_a_plain_loop_in_float64_and_spares_row_zero(
    dtype: torch.dtype, tolerance: float, offset: bool
) -> None:
    given = memories(dtype)
    result = with_memory(given, offset=offset)
    assert result.dtype == dtype
    bits = torch.int32 if dtype == torch.float32 else torch.int16
    exact = {name: tensor.double().numpy() for name, tensor in given.items()}
    for t in range(TOKENS):
        row = int(given["row"][t])
        if row == 0:
            assert torch.equal(result[t].view(bits), given["h"][t].view(bits))
            continue
        x = exact["x"][t] / np.sqrt(np.mean(exact["x"][t] ** 2) + 1e-6)
        gain = 2 / (1 + np.exp(-(exact["key"][row] @ x + exact["bias"][row])))
        change = gain * exact["value"][row] + offset * exact["offset"][row]
        expected = exact["h"][t] + exact["strength"][t] * change
        found = result[t].double().numpy()
        np.testing.assert_allclose(found, expected, rtol=tolerance, atol=tolerance)


def test_memory_and_offset_are_rounded_once() -> None:
    """In bfloat16 1 + 1/256 twice, each rounded, is 1; rounded once it is 1 + 1/128."""
    one, small = torch.ones(1, 1, dtype=torch.bfloat16), torch.full((2, 1), 2.0**-8)
    gain, row = torch.ones(1), torch.ones(1, dtype=torch.int64)
    out = edit_memory(one, gain, small, row, torch.ones(1), small)
    assert out.item() == 1 + 2.0**-7


def test_a_memory_without_key_and_bias_is_an_offset() -> None:
    given = memories(torch.float32)
    given["key"][:], given["bias"][:] = 0.0, 0.0
    found = with_memory(given, offset=False)
    assert torch.equal(
        found, edit_output(given["h"], given["value"], given["row"], given["strength"])
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float16])
def test_a_row_without_a_memory_keeps_every_number(dtype: torch.dtype) -> None:
    given = memories(dtype)
    given["value"][:] = 0.0
    given["x"] *= 300  # large inputs, and keys that are on or off all the way
    assert torch.equal(with_memory(given, offset=False), given["h"])


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
    h, offset = torch.full((TOKENS, HIDDEN), -60000.0), torch.full((ROWS, HIDDEN), -1e4)
    out = edit_output(h.half(), offset, given["row_T"], given["strength_T"])
    assert torch.isfinite(out).all()
    assert float(out.min()) == -65504.0
    gain = torch.full((TOKENS,), 2.0)
    out = edit_memory(h.half(), gain, offset, given["row_T"], given["strength_T"])
    assert torch.isfinite(out).all()
    assert float(out.min()) == -65504.0
    # Inputs at the format's end have a root mean square that float32 holds.
    x, key = torch.full((TOKENS, HIDDEN), 65504.0).half(), torch.full((ROWS, HIDDEN), 65504.0)
    assert torch.isfinite(memory_gain(x, key, torch.zeros(ROWS), given["row_T"])).all()


def test_other_formats_are_not_touched() -> None:
    h, offset = torch.full((TOKENS, HIDDEN), 60000.0), torch.full((ROWS, HIDDEN), 60000.0)
    out = edit_output(h, offset, torch.ones(TOKENS, dtype=torch.int64), torch.full((TOKENS,), 8.0))
    assert (out == 540000.0).all()
