import numpy as np

from steering.tokens import Tokens


def fill(tokens: Tokens, scheduled, computed, first, rows, strengths) -> int:
    return tokens.fill(
        scheduled=np.array(scheduled, np.int32),
        computed=np.array(computed, np.int32),
        first=first,
        rows=rows,
        strengths=strengths,
    )


def test_each_token_gets_its_requests_row_and_strength() -> None:
    tokens = Tokens(8)
    assert fill(tokens, [2, 1, 3], [0, 9, 0], [0, 0, 0], [1, 0, 2], [1.0, 0.0, 0.5]) == 5
    assert tokens.row.tolist() == [1, 1, 0, 2, 2, 2, 0, 0]
    assert tokens.strength.tolist() == [1, 1, 0, 0.5, 0.5, 0.5, 0, 0]


def test_decode_phase_starts_at_its_first_position_under_chunked_prefill() -> None:
    """A prompt of 10 tokens in chunks of 4: only position 9 and later are edited."""
    tokens = Tokens(8)
    for computed, scheduled, expected in ((0, 4, []), (4, 4, []), (8, 2, [1]), (10, 1, [0])):
        fill(tokens, [scheduled], [computed], [9], [3], [1.0])
        assert tokens.row.nonzero().flatten().tolist() == expected


def test_a_shorter_step_leaves_no_rows_in_the_padding() -> None:
    tokens = Tokens(8)
    fill(tokens, [8], [0], [0], [1], [1.0])
    fill(tokens, [2], [8], [0], [1], [1.0])
    assert tokens.row.tolist() == [1, 1, 0, 0, 0, 0, 0, 0]
    fill(tokens, [2], [0], [0], [0], [0.0])
    assert not tokens.row.any()
    assert not tokens.strength.any()


def test_active_tells_eager_code_whether_to_bother() -> None:
    tokens = Tokens(4)
    assert tokens.active  # until the first real step: dummy runs capture graphs
    fill(tokens, [2], [0], [0], [0], [0.0])
    assert not tokens.active
    fill(tokens, [2], [0], [0], [1], [1.0])
    assert tokens.active
    tokens.clear()
    assert tokens.active
    assert not tokens.row.any()


def test_edited_tokens_are_counted() -> None:
    tokens = Tokens(8)
    fill(tokens, [4, 2], [0, 0], [2, 0], [1, 0], [1.0, 0.0])
    fill(tokens, [1, 1], [4, 2], [2, 0], [1, 0], [1.0, 0.0])
    assert tokens.edited == 3


def test_a_step_leaves_the_last_ones_staging_alone() -> None:
    """On a GPU the last step's copy may not have begun when the next one is laid out."""
    tokens = Tokens(4, in_flight=3)
    staged = []
    for row in (1, 2, 3):
        fill(tokens, [4], [0], [0], [row], [float(row)])
        staged.append(tokens._staging[-1])
    assert [pair[0].tolist() for pair in staged] == [[1] * 4, [2] * 4, [3] * 4]
    assert [pair[1].tolist() for pair in staged] == [[1.0] * 4, [2.0] * 4, [3.0] * 4]
    fill(tokens, [4], [0], [0], [4], [4.0])
    assert staged[0][0].tolist() == [4] * 4
