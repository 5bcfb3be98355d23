"""A client that asks for stream after stream, and notes what became of each."""

from __future__ import annotations

import asyncio
import json
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Literal

import httpx

from tests.soak.kinds import KINDS, Kind

# done: all of it came. vanished: this client left. told: an error that says so, by status, event or
# a broken connection. cut: the stream ended as if it were whole, and was not.
End = Literal["done", "vanished", "told", "cut"]
_VANISH = 0.1
_PAUSE = 1.0


@dataclass
class Asked:
    """One request and what came of it; times are of `time.monotonic`."""

    kind: Kind
    prompt: str
    began: float
    headers_at: float = 0.0
    first_at: float = 0.0
    ended: float = 0.0
    end: End = "cut"
    status: int = 0
    applied: str = ""
    text: str = ""
    error: str = ""


class Client:
    """Asks until it is told to stop.

    Args:
        http: shared by all.
        rng: chooses what is asked, and when the client vanishes.
        prompts: to choose from.
        tokens: of each answer.
        note: called with what became of each request.
        running: how many streams are open now, in a list of one number.
    """

    def __init__(
        self,
        http: httpx.AsyncClient,
        rng: random.Random,
        prompts: Sequence[str],
        tokens: int,
        note: Callable[[Asked], None],
        running: list[int],
    ) -> None:
        self._http, self._rng, self._prompts, self._tokens = http, rng, prompts, tokens
        self._note, self._running = note, running

    async def run(self, over: asyncio.Event) -> None:
        """Ask until `over` is set; the last answer is read to its end."""
        while not over.is_set():
            asked = Asked(
                self._rng.choice(KINDS), self._rng.choice(self._prompts), time.monotonic()
            )
            leave_after = self._rng.randint(1, 8) if self._rng.random() < _VANISH else None
            try:
                await self._ask(asked, leave_after)
            except httpx.TransportError as error:
                asked.end, asked.error = "told", type(error).__name__
            asked.ended = time.monotonic()
            self._note(asked)
            if asked.end == "told":
                await asyncio.sleep(_PAUSE * self._rng.uniform(0.5, 1.5))

    async def _ask(self, asked: Asked, leave_after: int | None) -> None:
        body = asked.kind.body(asked.prompt, self._tokens) | {"stream": True}
        headers = {"Authorization": f"Bearer {asked.kind.key}"}
        stream = self._http.stream("POST", "/v1/completions", json=body, headers=headers)
        async with stream as answer:
            asked.headers_at, asked.status = time.monotonic(), answer.status_code
            asked.applied = answer.headers.get("x-steering-profile", "")
            if answer.status_code != 200:
                await answer.aread()
                asked.end, asked.error = "told", answer.text[:300]
                return
            self._running[0] += 1
            try:
                await self._read(answer, asked, leave_after)
            finally:
                self._running[0] -= 1

    async def _read(self, answer: httpx.Response, asked: Asked, leave_after: int | None) -> None:
        pieces: list[str] = []
        async for line in answer.aiter_lines():
            if not line.startswith("data: "):
                continue
            if line == "data: [DONE]":
                asked.end, asked.text = "done", "".join(pieces)
                return
            event = json.loads(line[6:])
            if "error" in event:
                asked.end, asked.error = "told", str(event["error"])[:300]
                return
            asked.first_at = asked.first_at or time.monotonic()
            pieces.extend(choice["text"] for choice in event["choices"])
            if len(pieces) == leave_after:
                asked.end = "vanished"
                return
