import pytest
from hypothesis import given
from hypothesis import strategies as st

from steering.errors import CapacityError
from steering.request import Combination
from steering.slots import Slots
from tests.steering.combined import combined


def recording(rows: int) -> tuple[Slots, list[tuple[int, Combination]]]:
    written: list[tuple[int, Combination]] = []
    return Slots(rows, lambda row, combination: written.append((row, combination))), written


def test_requests_with_one_combination_share_a_row() -> None:
    slots, written = recording(4)
    assert slots.acquire("a", combined("de")) == slots.acquire("b", combined("de"))
    assert len(written) == 1
    assert slots.in_use == 1


def test_row_zero_is_never_given() -> None:
    slots, _ = recording(4)
    rows = {slots.acquire(str(i), combined(str(i))) for i in range(3)}
    assert rows == {1, 2, 3}
    assert slots.row("unknown") == 0


def test_a_released_row_is_kept_and_reused_without_composing() -> None:
    slots, written = recording(4)
    row = slots.acquire("a", combined("de"))
    slots.release("a")
    assert (slots.in_use, slots.cached) == (0, 1)
    assert slots.acquire("b", combined("de")) == row
    assert len(written) == 1


def test_the_least_recently_used_row_goes_first() -> None:
    slots, written = recording(3)
    for name in ("de", "ja"):
        slots.acquire(name, combined(name))
        slots.release(name)
    slots.acquire("again", combined("de"))
    slots.release("again")
    slots.acquire("new", combined("zh"))
    slots.acquire("old", combined("de"))
    assert [combination[0].content_hash for _, combination in written] == ["de", "ja", "zh"]


def test_running_out_is_an_error_that_says_what_to_raise() -> None:
    slots, _ = recording(2)
    slots.acquire("a", combined("de"))
    with pytest.raises(CapacityError, match="max_num_seqs"):
        slots.acquire("b", combined("ja"))
    slots.release("a")
    slots.acquire("b", combined("ja"))


def test_a_failed_composition_leaks_no_row() -> None:
    def fail(row: int, combination: Combination) -> None:
        raise RuntimeError("no such profile")

    slots = Slots(2, fail)
    for _ in range(3):
        with pytest.raises(RuntimeError):
            slots.acquire("a", combined("de"))
    assert (slots.in_use, slots.cached) == (0, 0)


def test_forget_drops_cached_rows_of_a_profile() -> None:
    slots, written = recording(4)
    slots.acquire("a", combined("de", "zh"))
    assert slots.uses("zh")
    slots.release("a")
    assert not slots.uses("zh")
    slots.forget("zh")
    assert slots.cached == 0
    slots.acquire("a", combined("de", "zh"))
    assert len(written) == 2


@given(st.lists(st.tuples(st.integers(0, 9), st.integers(0, 6)), max_size=80))
def test_rows_never_leak_and_never_mix(steps: list[tuple[int, int]]) -> None:
    """A batch of at most four requests, coming and going in any order."""
    slots, written = recording(5)
    holding: dict[str, Combination] = {}
    for who, what in steps:
        request = str(who)
        if request in holding:
            slots.release(request)
            del holding[request]
        elif len(holding) < 4:
            holding[request] = combined(str(what))
            slots.acquire(request, holding[request])
        content = dict(written)
        for held, combination in holding.items():
            assert content[slots.row(held)] == combination
        assert slots.in_use == len(set(holding.values()))
        assert slots.in_use + slots.cached <= 4
    for request in holding:
        slots.release(request)
    assert slots.in_use == 0
