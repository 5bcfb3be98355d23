"""Every answer compared with what the same request gets when the server does nothing else."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import httpx

from tests.soak.client import Asked
from tests.soak.kinds import COMES_AND_GOES, KINDS, STRENGTHS, Kind
from tests.soak.offer import Offer
from tests.soak.operator import Operator

# equal: the same text. tie: another one, from a token on whose first two candidates were as likely:
# batches of other shapes sum in another order. misnamed: a profile or strength that was not in
# force, or none. unsteered: the text of a request without steering.
Judgement = Literal["equal", "tie", "wrong", "unsteered", "misnamed", "unjudged"]
_TIE = 0.02  # in log-probability
_LABEL = re.compile(r"[a-z]+@[0-9a-f]+")


@dataclass(frozen=True)
class Alone:
    """An answer without company: text, where tokens begin in it, how near the runner-up was."""

    text: str
    offsets: tuple[int, ...]
    gaps: tuple[float, ...]


class References:
    """Answers of an idle server, by (kind, prompt, X-Steering-Profile)."""

    def __init__(self) -> None:
        self._alone: dict[tuple[str, str, str], Alone] = {}

    def __len__(self) -> int:
        return len(self._alone)

    async def record(
        self,
        http: httpx.AsyncClient,
        operator: Operator,
        prompts: Sequence[str],
        tokens: int,
        told: Callable[[str], None],
    ) -> None:
        """Ask for everything alone, with each version of profiles and policy."""
        await operator.put(COMES_AND_GOES, 0)
        for version in (0, 1):
            for language in ("de", "ja"):
                await operator.put(language, version)
            for rules in (version, 1 - version):
                await operator.put_policy(rules)
                for kind in KINDS:
                    if rules == version or kind.by_policy:
                        for prompt in prompts:
                            await self._ask(http, kind, prompt, tokens)
            told(f"{len(self)} answers recorded")

    def judge(self, asked: Asked, offer: Offer) -> Judgement:
        """Whether an answer that came whole is the right one."""
        if not named_rightly(asked, offer):
            return "misnamed"
        own = self._alone.get((asked.kind.name, asked.prompt, asked.applied))
        if own is None:
            return "unjudged"
        if asked.text == own.text:
            return "equal"
        if asked.kind.languages and asked.text in self._unsteered(asked.prompt):
            return "unsteered"
        return "tie" if _near_tie(own, asked.text) else "wrong"

    def _unsteered(self, prompt: str) -> set[str]:
        return {
            alone.text
            for (kind, asked, _), alone in self._alone.items()
            if kind == "unsteered" and asked == prompt
        }

    async def _ask(self, http: httpx.AsyncClient, kind: Kind, prompt: str, tokens: int) -> None:
        answer = await http.post(
            "/v1/completions",
            json=kind.body(prompt, tokens) | {"logprobs": 2},
            headers={"Authorization": f"Bearer {kind.key}"},
        )
        if answer.status_code != 200:
            raise RuntimeError(f"{kind.name}, alone: {answer.status_code} {answer.text[:300]}")
        key = kind.name, prompt, answer.headers["x-steering-profile"]
        if key in self._alone:
            return
        (choice,) = answer.json()["choices"]
        found = choice["logprobs"]
        ranked = [sorted(top.values(), reverse=True) for top in found["top_logprobs"]]
        gaps = tuple(top[0] - top[1] if len(top) > 1 else 0.0 for top in ranked)
        self._alone[key] = Alone(choice["text"], tuple(found["text_offset"]), gaps)


def named_rightly(asked: Asked, offer: Offer) -> bool:
    """Whether an answer names the profiles and the strength that were in force when it began."""
    named = _LABEL.findall(asked.applied)
    if sorted(name.partition("@")[0] for name in named) != sorted(asked.kind.languages):
        return False
    span = asked.began, asked.headers_at
    for name in named:
        if name not in offer.allowed(name.partition("@")[0], *span):
            return False
    if asked.kind.by_policy:
        strengths = {f"strength={STRENGTHS[int(v or 0)]:g}" for v in offer.allowed("policy", *span)}
        return any(f"{strength};" in f"{asked.applied};" for strength in strengths)
    return bool(named) or asked.applied.startswith("none")


def _near_tie(own: Alone, text: str) -> bool:
    """Whether two answers part at a token that had a near rival."""
    same = 0
    while same < min(len(own.text), len(text)) and own.text[same] == text[same]:
        same += 1
    start = own.offsets[0]
    # Of the tokens that begin before the difference the last one made it.
    parting = max(i for i, offset in enumerate(own.offsets) if offset - start <= same)
    return own.gaps[parting] < _TIE
