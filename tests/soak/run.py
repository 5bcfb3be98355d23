"""The soak: many clients, an operator, a kill."""

from __future__ import annotations

import asyncio
import contextlib
import random
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from profiles import store
from profiles.models.fingerprint import fingerprint
from profiles.models.resolve import resolve_model
from profiles.profile import Profile
from tests.e2e.conftest import synthetic
from tests.e2e.running import command, environment, free_port
from tests.soak.client import Asked, Client
from tests.soak.kinds import CHANGING, COMES_AND_GOES, PROFILES, PROMPTS, access, policy
from tests.soak.latency import AddedLatency
from tests.soak.memory import Memory
from tests.soak.operator import Operator
from tests.soak.reference import References
from tests.soak.report import Report
from tests.soak.supervisor import Supervisor

_READY = "/steering/health/ready"
_LONGEST_START = 900.0


@dataclass(frozen=True, kw_only=True)
class Soak:
    """What is done.

    Attributes:
        clients: how many ask at a time.
        seconds: for how long, while the server is up.
        tokens: of each answer.
        prompts: how many different ones are asked.
        pause: seconds between an operator's changes.
        kill_at: share of `seconds` after which the worker is killed; None to let it live.
        warm_up: seconds before which memory is not counted as growing.
        seed: of what clients ask, and when they vanish.
    """

    clients: int
    seconds: float
    tokens: int = 32
    prompts: int = len(PROMPTS)
    pause: float = 3.0
    kill_at: float | None = 0.6
    warm_up: float = 60.0
    seed: int = 0


async def soak(wanted: Soak, folder: Path, told: Callable[[str], None]) -> dict[str, Any]:
    """Serve the demo model from `folder`, soak it, and account for it.

    Args:
        wanted: what is done.
        folder: for profiles, policy, access file and logs; empty.
        told: called with a line about what happens now and then.
    """
    versions = _versions(folder)
    port = free_port()
    url = f"http://127.0.0.1:{port}"
    more = ["--policy", f"{folder}/policy.yaml", "--access", f"{folder}/access.yaml"]
    more += ["--request-log", f"{folder}/requests.jsonl", "--monitor", "all"]
    # The last value of an option wins.
    more += ["--max-num-seqs", str(max(16, wanted.clients + 8))]
    served = command(folder / "profiles", port, "demo", *more)
    with Supervisor(served, folder / "server.log", environment()) as supervisor:
        run = _Run(wanted, url, supervisor, told)
        async with Operator(url, folder, versions, lambda: supervisor.pid) as operator:
            return await run.whole(operator)


class _Run:
    def __init__(
        self, wanted: Soak, url: str, supervisor: Supervisor, told: Callable[[str], None]
    ) -> None:
        self._wanted, self._url, self._supervisor, self._told = wanted, url, supervisor, told
        self._report, self._memory, self._added = Report(), Memory(), AddedLatency()
        self._open = [0]
        self._up = asyncio.Lock()  # held while the server is down, and by changes
        self._over = asyncio.Event()

    async def whole(self, operator: Operator) -> dict[str, Any]:
        wanted = self._wanted
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=wanted.clients)
        async with httpx.AsyncClient(base_url=self._url, limits=limits, timeout=900) as http:
            await self._ready(http)
            self._told(f"{wanted.clients} clients begin")
            begun = time.monotonic()
            prompts = PROMPTS[: wanted.prompts]
            clients = [
                Client(
                    http,
                    random.Random(f"{wanted.seed}/{i}"),
                    prompts,
                    wanted.tokens,
                    self._note,
                    self._open,
                )
                for i in range(wanted.clients)
            ]
            async with asyncio.TaskGroup() as tasks:
                for client in clients:
                    tasks.create_task(client.run(self._over))
                tasks.create_task(self._operate(operator))
                tasks.create_task(self._look(http))
                before = wanted.seconds * (1.0 if wanted.kill_at is None else wanted.kill_at)
                await asyncio.sleep(before)
                if wanted.kill_at is not None:
                    await self._kill(http, operator)
                    await asyncio.sleep(wanted.seconds - before)
                self._over.set()
            seconds = time.monotonic() - begun
            rows = await self._rows_in_use(http)
            self._told("the same requests alone")
            references = References()
            await references.record(http, operator, prompts, wanted.tokens, self._told)
        account = self._report.account(operator.offer, references)
        return {
            "clients": wanted.clients,
            "seconds": round(seconds, 1),
            "tokens_an_answer": wanted.tokens,
            **account,
            "changes": dict(operator.done),
            "operator_problems": operator.problems,
            "rows_in_use_at_the_end": rows,
            "added_latency": self._added.account(),
            "memory": self._memory.account(wanted.warm_up),
            "server_starts": self._supervisor.starts,
        }

    def _note(self, asked: Asked) -> None:
        self._report.asked.append(asked)

    async def _operate(self, operator: Operator) -> None:
        turn = 0
        while not self._over.is_set():
            async with self._up:
                await operator.change(turn)
            turn += 1
            await self._sleep(self._wanted.pause)

    async def _look(self, http: httpx.AsyncClient) -> None:
        """As Prometheus would, and at memory."""
        turn = 0
        while not self._over.is_set():
            self._report.most_open = max(self._report.most_open, self._open[0])
            start = self._supervisor.starts
            if not self._down():
                self._memory.sample(start, self._supervisor.processes())
                with contextlib.suppress(httpx.TransportError):
                    answer = await http.get("/metrics")
                    if start == self._supervisor.starts:
                        self._added.read(start, answer.text)
            turn += 1
            if turn % 15 == 0:
                done = sum(a.end == "done" for a in self._report.asked)
                self._told(f"{done} whole answers, {self._open[0]} streams open")
            await self._sleep(2)

    def _down(self) -> bool:
        """Whether the server is down or coming up now."""
        return bool(self._report.outages) and self._report.outages[-1][1] == float("inf")

    async def _kill(self, http: httpx.AsyncClient, operator: Operator) -> None:
        async with self._up:
            name = COMES_AND_GOES
            since = time.monotonic()
            self._report.outages.append((since, float("inf")))
            # What was unloaded comes back with a restart: its file is there.
            back = operator.first(name)
            with operator.offer.changing(name, back):
                self._told("the worker is killed")
                starts = self._supervisor.starts
                self._supervisor.worker().kill()
                await asyncio.to_thread(self._supervisor.wait_for_start, starts + 1)
                await self._ready(http)
            self._report.outages[-1] = since, time.monotonic()
            self._told(f"ready again after {time.monotonic() - since:.0f} s")

    async def _ready(self, http: httpx.AsyncClient) -> None:
        deadline = time.monotonic() + _LONGEST_START
        while time.monotonic() < deadline:
            with contextlib.suppress(httpx.TransportError):
                if (await http.get(_READY, timeout=5)).status_code == 200:
                    return
            await asyncio.sleep(0.5)
        raise TimeoutError(f"the server is not ready after {_LONGEST_START:.0f} s")

    async def _rows_in_use(self, http: httpx.AsyncClient) -> float:
        """Once nobody asks any more; the engine gives them back with its next steps."""
        deadline = time.monotonic() + 30
        while True:
            text = (await http.get("/metrics")).text
            (line,) = [x for x in text.splitlines() if x.startswith("langsteer_rows_in_use ")]
            rows = float(line.split()[1])
            if not rows or time.monotonic() > deadline:
                return rows
            await asyncio.sleep(0.5)

    async def _sleep(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._over.wait(), seconds)


def _versions(folder: Path) -> dict[str, list[Profile]]:
    """Profiles of random numbers, which change every answer; writes the first of each."""
    identity = fingerprint(resolve_model("demo"))
    made = {
        language: [
            synthetic(identity, language, 10 * seed + version, kinds=kinds)
            for version in range(2 if language in CHANGING else 1)
        ]
        for seed, (language, kinds) in enumerate(PROFILES.items(), start=1)
    }
    (folder / "profiles").mkdir(parents=True)
    for version, *_ in made.values():
        store.save(version, folder / "profiles")
    (folder / "policy.yaml").write_text(policy(0))
    (folder / "access.yaml").write_text(access())
    return made
