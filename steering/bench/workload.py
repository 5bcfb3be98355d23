"""What a benchmark asks of an engine: prompts of random tokens, and how much to answer."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Ask:
    """One request.

    Attributes:
        prompt: token ids.
        tokens: length of the answer, which is exact.
        extra_args: of its sampling parameters; None for an unsteered one.
    """

    prompt: Sequence[int]
    tokens: int
    extra_args: Mapping[str, Any] | None = None

    def steered(self, extra_args: Mapping[str, Any] | None) -> Ask:
        """The same request with steering."""
        return replace(self, extra_args=extra_args)


@dataclass(frozen=True, kw_only=True)
class Workload:
    """A kind of traffic.

    Attributes:
        name: what it stresses.
        prompt, answer: shortest and longest length in tokens, both included.
    """

    name: str
    prompt: tuple[int, int]
    answer: tuple[int, int]

    @property
    def longest(self) -> int:
        """Tokens that a request may need in all."""
        return self.prompt[1] + self.answer[1]

    def draw(self, count: int, vocabulary: int, seed: str) -> list[Ask]:
        """`count` requests that no other seed gives, so that no prefix is in a cache.

        Args:
            vocabulary: size; its first hundredth, where special tokens are, is left out.
            seed: names the round.
        """
        rng = random.Random(seed)
        return [
            Ask(
                prompt=[
                    rng.randrange(vocabulary // 100, vocabulary)
                    for _ in range(rng.randint(*self.prompt))
                ],
                tokens=rng.randint(*self.answer),
            )
            for _ in range(count)
        ]


WORKLOADS: dict[str, Workload] = {
    workload.name: workload
    for workload in (
        Workload(name="prefill", prompt=(256, 256), answer=(4, 4)),
        Workload(name="decode", prompt=(16, 16), answer=(96, 96)),
        Workload(name="mixed", prompt=(16, 256), answer=(4, 96)),
    )
}
