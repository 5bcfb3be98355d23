"""Reasoning and answer told on the device, held against a plain reading of the same tokens."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch.utils._python_dispatch import TorchDispatchMode

from steering.errors import EngineError
from steering.markers import Markers
from steering.parts import Edit, Member, Parts
from steering.tokens import Tokens

START, END, BLANK = 1, 2, 3
MARKERS = Markers(start=START, end=END, blanks=frozenset({BLANK, 4}))
MOST = 64

some_tokens = st.lists(st.sampled_from([START, END, BLANK, 4, 8, 9]), max_size=12)


def plainly(prompt: Sequence[int], generated: Sequence[int]) -> list[bool]:
    """Whether each position has the reasoning's edit: from the prompt's last token on."""
    solid = [token for token in prompt if token not in (BLANK, 4)]
    last = solid[-1] if solid else 0
    own = list(generated)
    if last == END:
        return [False] * (1 + len(own))
    begin = 0
    if last != START:
        begin = next((i for i, token in enumerate(own) if token not in (BLANK, 4)), len(own))
        if begin == len(own) or own[begin] != START:
            return [True] + [False] * len(own)
    end = own.index(END, begin) if END in own[begin:] else len(own)
    return [True] + [begin <= i < end for i in range(len(own))]


@dataclass
class Running:
    """One request: all it will ever generate, and how far it is."""

    name: str
    prompt: list[int]
    generated: list[int]
    reasoning: Edit
    answer: Edit
    computed: int = 0
    known: int = 0  # tokens that there are, the last perhaps on the device only
    may_ask: bool = field(default=True, init=False)

    def __post_init__(self) -> None:
        self.known = len(self.prompt)

    @property
    def tokens(self) -> list[int]:
        return self.prompt + self.generated

    def history(self) -> tuple[list[int], list[int]]:
        assert self.may_ask, "the host may not know the last token of a request that goes on"
        return self.prompt, self.generated[: max(self.known - len(self.prompt), 0)]

    def expected(self, position: int) -> Edit:
        at = position - (len(self.prompt) - 1)
        if at < 0:
            return Edit(0, 0.0)
        return self.reasoning if plainly(self.prompt, self.generated)[at] else self.answer


class Counted(TorchDispatchMode):
    """How often each operator runs meanwhile."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: Counter[str] = Counter()

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self.calls[str(func)] += 1
        return func(*args, **(kwargs or {}))


def members(batch: list[tuple[Running, int]]) -> list[Member]:
    ends = np.cumsum([count for _, count in batch]).tolist()
    return [
        Member(one.name, end - n, n, one.computed, len(one.prompt), one.answer, one.reasoning)
        for (one, n), end in zip(batch, ends, strict=True)
    ]


def step(parts: Parts, tokens: Tokens, batch: list[tuple[Running, int]]) -> None:
    """Run some tokens of each, and see that every one has the edit it should."""
    total = sum(count for _, count in batch)
    scheduled = np.array([count for _, count in batch], np.int32)
    computed = np.array([one.computed for one, _ in batch], np.int32)
    none: list[Any] = [0] * len(batch)
    tokens.fill(
        scheduled=scheduled, computed=computed, first=none, rows=none, strengths=none, apart=True
    )
    ids = [one.tokens[at] for one, n in batch for at in range(one.computed, one.computed + n)]
    parts.write(tokens, torch.tensor(ids + [START] * 3, dtype=torch.int32), members(batch))
    rows, strengths = tokens.row.tolist(), tokens.strength.tolist()
    found = list(zip(rows, strengths, strict=True))
    expected = [
        tuple(one.expected(at)) for one, n in batch for at in range(one.computed, one.computed + n)
    ]
    assert found[:total] == expected
    assert not any(rows[total:])
    for one, count in batch:
        one.computed += count
        one.may_ask = one.computed < len(one.prompt)
        if one.computed == one.known:
            one.known += 1


@settings(max_examples=100, deadline=None)
@given(st.data())
def test_chunks_cache_hits_and_preemptions_change_nothing(data: st.DataObject) -> None:
    parts, tokens = Parts(MARKERS, 3), Tokens(MOST)
    running = [
        Running(
            name=str(i),
            prompt=data.draw(some_tokens.filter(bool)),
            generated=data.draw(some_tokens),
            reasoning=Edit(*data.draw(st.sampled_from([(0, 0.0), (5 + i, 0.5)]))),
            answer=Edit(1 + i, 2.0),
        )
        for i in range(data.draw(st.integers(1, 3)))
    ]
    seated: set[str] = set()
    edited = 0
    while live := [one for one in running if one.computed < len(one.tokens)]:
        batch = []
        for one in data.draw(st.permutations(live)):
            fate = data.draw(st.sampled_from(["run", "run", "run", "wait", "preempt", "reset"]))
            if fate == "wait":
                continue
            if fate != "run" or one.name not in seated:
                # In a reset, vLLM's V1 takes it out and puts it back within one step.
                if fate != "reset" or one.name not in seated:
                    parts.leave(one.name)
                    parts.join(one.name, one.history)
                    seated.add(one.name)
                one.computed = data.draw(st.integers(0, min(one.known, len(one.tokens)) - 1))
                one.may_ask = True
            there = min(one.known, len(one.tokens)) - one.computed
            batch.append((one, data.draw(st.integers(1, max(there, 1)))))
        if batch:
            step(parts, tokens, batch)
            edited += int((tokens.row != 0).sum())
    assert int(parts.edited) == edited


def test_a_whole_batch_is_told_in_as_many_operations_as_one_request() -> None:
    ids = torch.full((MOST,), 8, dtype=torch.int32)

    def operations(count: int) -> int:
        parts, tokens = Parts(MARKERS, count), Tokens(MOST)
        batch = [
            (Running(str(i), [8], [START, 8, END, 8], Edit(0, 0.0), Edit(1, 1.0)), 1)
            for i in range(count)
        ]
        for one, _ in batch:
            parts.join(one.name, one.history)
        step(parts, tokens, batch)
        with Counted() as counted:
            parts.write(tokens, ids, members(batch))
        assert "aten._local_scalar_dense.default" not in counted.calls  # nothing is read back
        return counted.calls.total()

    assert operations(1) == operations(32)


def test_what_the_host_has_to_know_and_does_not_is_an_error() -> None:
    parts, tokens = Parts(MARKERS, 1), Tokens(MOST)
    edits = {"answer": Edit(1, 1.0), "reasoning": Edit(0, 0.0)}
    ids = torch.zeros(4, dtype=torch.int32)
    for history, said in (
        (lambda: (None, []), "embeddings"),
        (lambda: ([8, 8], [START]), "is not known"),
        (lambda: ([8, 8], [START, -1]), "is not known"),
    ):
        parts.join("a", history)
        with pytest.raises(EngineError, match=said):
            parts.write(tokens, ids, [Member("a", 0, 1, 4, 2, **edits)])
        parts.leave("a")


def test_seats_are_given_back() -> None:
    parts = Parts(MARKERS, 2)
    for _ in range(3):
        parts.join("a", lambda: ([8], []))
        parts.join("b", lambda: ([8], []))
        parts.leave("a")
        parts.leave("never there")
        parts.leave("b")
