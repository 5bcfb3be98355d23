"""The edit against a plain loop in float64."""

import numpy as np
import pytest
import torch

from steering.edit import edit_neurons, edit_output

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


def test_other_formats_are_not_touched() -> None:
    h, offset = torch.full((TOKENS, HIDDEN), 60000.0), torch.full((ROWS, HIDDEN), 60000.0)
    out = edit_output(h, offset, torch.ones(TOKENS, dtype=torch.int64), torch.full((TOKENS,), 8.0))
    assert (out == 540000.0).all()
