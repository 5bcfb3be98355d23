"""Asks again, more strongly, where an answer is not in the language it was to be in."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass, replace

from starlette.types import Message, Send

from server.applied import AppliedSteering
from server.exchange import Exchange, RawHeader
from server.hold import Hold
from server.metrics import Metrics
from server.monitor.form import LARGEST
from server.monitor.language import gently
from server.monitor.promise import Promise
from server.monitor.verdict import Finding, Verdict
from server.monitor.whole_answer import RANK, judge_whole

logger = logging.getLogger("vllm.langsteer")  # under the logger vLLM configures

Ask = Callable[[AppliedSteering, Send], Awaitable[None]]
NOT_ENFORCED = b"x-steering-enforced"
_LONGEST = 5.0  # seconds to judge one; then it is served as it is


@dataclass(frozen=True, kw_only=True)
class Attempt:
    """One answer that was held back.

    Attributes:
        applied: the steering it was made with.
        messages: all of it.
        finding: its language; None where it is an error.
    """

    applied: AppliedSteering
    messages: list[Message]
    finding: Finding | None

    def better_than(self, other: Attempt) -> bool:
        """Whether it keeps the promise better; between equals the earlier stays."""
        return self._rank() < other._rank()

    def _rank(self) -> tuple[int, float]:
        if self.finding is None:
            return len(RANK), 0.0
        # Of a miss, what was found is the wrong language: the less of it the better.
        share = self.finding.shares.get(self.finding.found, 0.0)
        return RANK.index(self.finding.verdict), share


class Enforcer:
    """Gives one request as many attempts as its rule allows.

    Args:
        metrics: where it is counted.
        largest: bytes of an answer that is held back; a larger one passes unjudged.
        language: gives the language of a text.
    """

    def __init__(
        self,
        metrics: Metrics,
        *,
        largest: int = LARGEST,
        language: Callable[[str], str] = gently,
    ) -> None:
        self._metrics = metrics
        self._largest = largest
        self._language = language

    async def serve(
        self,
        ask: Ask,
        exchange: Exchange,
        *,
        applied: AppliedSteering,
        promise: Promise,
        strengths: Iterable[float],
        on: frozenset[Verdict],
        policy: str,
        chosen: Callable[[AppliedSteering, list[RawHeader]], None],
    ) -> AppliedSteering:
        """Ask until an answer will do, and send the best.

        Args:
            ask: has the application answer with a steering, into a channel.
            exchange: to the client.
            applied: the steering of the first attempt.
            promise: what the answer is to be.
            strengths: of further attempts; those that are no stronger than the first are left out.
            on: the verdicts that are not put up with.
            policy: the rule's name.
            chosen: told which steering is served, and with what headers, before anything is sent.

        Returns:
            The steering of what was served.
        """

        def pass_on(why: str) -> Send:
            chosen(applied, [(NOT_ENFORCED, f"no; reason={why}".encode())])
            return exchange.send

        hold = Hold(self._largest, pass_on)
        await ask(applied, hold.send)
        if hold.why or not hold.complete:
            return applied
        best = Attempt(
            applied=applied, messages=hold.messages, finding=await self._judge(hold, promise)
        )
        attempts = 1
        for strength in strengths:
            if best.finding is None or best.finding.verdict not in on or exchange.gone:
                break
            if strength > applied.strength:
                attempts += 1
                again = await self._again(ask, replace(applied, strength=strength), promise)
                if again is not None and again.better_than(best):
                    best = again
        if exchange.gone:
            return best.applied
        headers = [(b"x-steering-attempts", str(attempts).encode())]
        if best.finding is not None:
            headers.append((b"x-steering-verdict", best.finding.verdict.encode()))
            self._metrics.enforced(policy, best.finding.verdict, attempts)
        chosen(best.applied, headers)
        for message in best.messages:
            await exchange.send(message)
        return best.applied

    async def _again(self, ask: Ask, applied: AppliedSteering, promise: Promise) -> Attempt | None:
        """Another attempt; None where it failed: there is an answer that did not."""
        hold = Hold(self._largest)
        try:
            await ask(applied, hold.send)
        # Whatever becomes of it, the earlier answer can be served.
        except Exception as error:  # noqa: BLE001
            logger.warning("a repeated request failed: %s", error)
            return None
        if hold.why or not hold.complete or hold.status >= 300:
            return None
        return Attempt(
            applied=applied, messages=hold.messages, finding=await self._judge(hold, promise)
        )

    async def _judge(self, hold: Hold, promise: Promise) -> Finding | None:
        if hold.status >= 300:
            return None
        judging = asyncio.to_thread(judge_whole, hold.body(), promise, self._language)
        try:
            return await asyncio.wait_for(judging, _LONGEST)
        except TimeoutError:
            logger.warning("an answer was served unjudged: it took over %g s", _LONGEST)
            return None
