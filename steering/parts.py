"""Which part of an answer each token is in, reasoning or answer: told on the device."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cached_property
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from steering.errors import EngineError
from steering.markers import ANSWER, REASONING, UNDECIDED, Markers
from steering.tokens import Tokens

# A request's prompt, and what it has generated as far as the host knows.
History = Callable[[], tuple[Sequence[int] | None, Sequence[int]]]
_ON_DEVICE = -1  # in the place of a state: the one that the device has


class Edit(NamedTuple):
    """What a token may be edited by: a table row, 0 for nothing, and a strength."""

    row: int
    strength: float


class Member(NamedTuple):
    """A request of the step that has two edits.

    Attributes:
        request_id: of it.
        begin: index of its first token in the step.
        scheduled, computed, prompt: as in `Batch.fill`.
        answer, reasoning: its edits.
    """

    request_id: str
    begin: int
    scheduled: int
    computed: int
    prompt: int
    answer: Edit
    reasoning: Edit


class Parts:
    """Gives the tokens of requests that steer reasoning and answer apart their row and strength.

    The last sampled token may be known to the device only, when a step is laid out. So where a
    request is (`Markers`) is kept there, one number each, and moves on with the step's own input
    ids, in a few operations for the whole batch that read nothing back. The host says where a
    request is when it joins and whenever it goes on from elsewhere than it stopped: after a
    preemption, from the prefix cache, after a reset of it. All tokens before that are known then.

    Args:
        markers: of the model.
        seats: most requests at once.
        device: where the model runs.

    Nothing on the device is made before it is needed. No graph reads it, and what is made while
    the model is loaded does not survive sleep mode, unless it is a buffer of the model.
    """

    def __init__(self, markers: Markers, seats: int, device: torch.device | str = "cpu") -> None:
        self.markers = markers
        self._device = torch.device(device)
        self._seats = seats
        self._free = list(range(seats - 1, -1, -1))
        self._seat: dict[str, int] = {}
        self._history: dict[str, History] = {}
        self._next: dict[str, int] = {}

    @cached_property
    def state(self) -> Tensor:
        """int64 [seats], where each request is after the last token that was computed."""
        return torch.zeros(self._seats, dtype=torch.int64, device=self._device)

    @cached_property
    def edited(self) -> Tensor:
        """int64, tokens edited since start-up."""
        return torch.zeros((), dtype=torch.int64, device=self._device)

    @cached_property
    def _blanks(self) -> Tensor:
        return torch.tensor(sorted(self.markers.blanks), dtype=torch.int64, device=self._device)

    def join(self, request_id: str, history: History) -> None:
        """A request takes a seat; `history` is asked when the device cannot know where it is."""
        self._seat[request_id] = self._free.pop()
        self._history[request_id] = history

    def leave(self, request_id: str) -> None:
        """It gives its seat back; ids that have none are ignored."""
        if (seat := self._seat.pop(request_id, None)) is not None:
            self._free.append(seat)
            del self._history[request_id]
            self._next.pop(request_id, None)

    def write(self, tokens: Tokens, input_ids: Tensor, members: Sequence[Member]) -> None:
        """Write row and strength of these requests' tokens, over what `tokens` was filled with.

        Args:
            tokens: the step's.
            input_ids: of the step, on the device, as the model will read them.
            members: the requests of the step that have two edits.

        Raises:
            EngineError: where a request is cannot be told from what is known of it.
        """
        # From the prompt's last token on; what comes before is not edited, and decides nothing.
        skips = [min(max(m.prompt - 1 - m.computed, 0), m.scheduled) for m in members]
        chosen = [i for i, member in enumerate(members) if skips[i] < member.scheduled]
        if not chosen:
            return
        states = {i: self._moved(members[i]) for i in chosen}
        counts = np.array([members[i].scheduled - skips[i] for i in chosen], np.int64)
        first = np.cumsum(counts) - counts
        who = np.repeat(np.arange(len(chosen)), counts)
        place = np.arange(len(who)) - first[who]
        begin = np.array([members[i].begin + skips[i] for i in chosen])
        position = np.array([members[i].computed + skips[i] for i in chosen])
        prompt = np.array([members[i].prompt for i in chosen])
        of_each = np.array(
            [
                [self._seat[members[i].request_id] for i in chosen],
                [states[i] for i in chosen],
                [members[i].answer.row for i in chosen],
                [members[i].reasoning.row for i in chosen],
                first,
                first + counts - 1,
            ],
            np.int64,
        )
        of_tokens = np.array(
            [begin[who] + place, who, position[who] + place >= prompt[who]], np.int64
        )
        strengths = np.array(
            [[members[i].answer.strength, members[i].reasoning.strength] for i in chosen],
            np.float32,
        ).T
        self._advance(
            tokens,
            input_ids,
            *self._sent(of_each).unbind(),
            *self._sent(of_tokens).unbind(),
            *self._sent(strengths).unbind(),
        )

    def _advance(
        self,
        tokens: Tokens,
        ids_T: Tensor,
        seat: Tensor,
        given: Tensor,
        answer_row: Tensor,
        reasoning_row: Tensor,
        first: Tensor,
        last: Tensor,
        at_N: Tensor,
        who_N: Tensor,
        generated_N: Tensor,
        answer_strength: Tensor,
        reasoning_strength: Tensor,
    ) -> None:
        """`Markers.after` for all tokens at once; N tokens of requests, those without suffix."""

        def so_far(flags: Tensor) -> Tensor:
            """How many of the request's tokens up to each, itself included, have the flag."""
            total = flags.cumsum(0)
            return total - (total - flags.to(total.dtype))[first][who_N]

        id_N = ids_T.index_select(0, at_N).to(torch.int64)
        own_N = generated_N.to(torch.bool)
        solid_N = own_N & ~(id_N.unsqueeze(1) == self._blanks).any(1)
        solids_N = so_far(solid_N)
        opens_N = solid_N & (solids_N == 1) & (id_N == self.markers.start)
        opened_N = so_far(opens_N) > 0
        ended_N = so_far(own_N & (id_N == self.markers.end)) > 0
        before_N = torch.where(given == _ON_DEVICE, self.state[seat], given)[who_N]
        undecided_N = (before_N == UNDECIDED) & (solids_N == 0)
        reasoning_N = (before_N == REASONING) | ((before_N == UNDECIDED) & opened_N)
        state_N = torch.where(reasoning_N & ~ended_N, REASONING, ANSWER)
        state_N = torch.where(undecided_N, UNDECIDED, state_N)
        self.state.index_copy_(0, seat, state_N[last])
        apart_N = (state_N == REASONING) | (undecided_N & ~own_N)
        row_N = torch.where(apart_N, reasoning_row[who_N], answer_row[who_N])
        tokens.row.index_copy_(0, at_N, row_N)
        strength_N = torch.where(apart_N, reasoning_strength[who_N], answer_strength[who_N])
        tokens.strength.index_copy_(0, at_N, strength_N)
        self.edited += (row_N != 0).sum()

    def _moved(self, member: Member) -> int:
        """Where a request is before the step, if that is for the host to say."""
        name = member.request_id
        known = self._next.get(name) == member.computed
        self._next[name] = member.computed + member.scheduled
        if known:
            return _ON_DEVICE
        prompt, generated = self._history[name]()
        if prompt is None:
            raise EngineError("a prompt of embeddings shows no markers of reasoning")
        before = generated[: max(member.computed - member.prompt, 0)]
        if len(before) < member.computed - member.prompt or any(token < 0 for token in before):
            raise EngineError(f"what request {name} generated before a preemption is not known")
        return self.markers.state(prompt, before)

    def _sent(self, array: np.ndarray[tuple[int, ...], np.dtype[np.generic]]) -> Tensor:
        """On the device. Memory of its own for each step: the last one's copy may not be done."""
        staged = torch.from_numpy(np.ascontiguousarray(array))
        if self._device.type == "cuda":
            staged = staged.pin_memory()
        return staged.to(self._device, non_blocking=True)
