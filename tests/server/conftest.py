"""Profiles, a catalogue, an engine and a vLLM that exist only in memory."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from prometheus_client import CollectorRegistry
from starlette.types import Receive, Scope, Send

from profiles import store
from profiles.profile import Edit, MemoryEdit, ModelIdentity, NeuronEdit, OffsetEdit, Profile
from server.aliases import Aliases
from server.catalog import Catalog, Entry
from server.gate import Gate
from server.leases import Leases
from server.metrics import Metrics
from server.middleware import SteeringMiddleware
from server.monitor.answer_log import AnswerLog
from server.monitor.monitor import Monitor
from server.policy.load import load
from steering.errors import EngineError
from steering.request import SteeringRequest

MODEL = ModelIdentity(
    name="tiny",
    architecture="TinyForCausalLM",
    layers=2,
    hidden_size=4,
    intermediate_size=8,
    tokenizer="t" * 64,
    weights="w" * 64,
)


def profile(
    language: str, roles: str = "target suppress", add: float = 1.0, model: ModelIdentity = MODEL
) -> Profile:
    edit = Edit(
        neurons=NeuronEdit(
            layer=np.array([0, 1, 1], np.int32),
            neuron=np.array([3, 0, 5], np.int32),
            add=np.full(3, add, np.float32),
            scale=np.zeros(3, np.float32),
        ),
        offsets=OffsetEdit(layer=np.array([1], np.int32), value=np.ones((1, 4), np.float32)),
        memories=MemoryEdit(
            layer=np.array([0], np.int32),
            key=np.ones((1, 4), np.float32),
            bias=np.zeros(1, np.float32),
            value=np.ones((1, 4), np.float32),
        ),
    )
    edits = dict.fromkeys(roles.split(), edit)
    return Profile(language=language, model=model, provenance={"method": "test"}, **edits)


def entry(language: str, roles: str = "target suppress") -> Entry:
    return Entry(name=language, profile=profile(language, roles), created="2026", loaded_at=1)


@dataclass
class FakeFacts:
    engines: int = 1
    workers: int = 1
    rows: int = 8
    rows_in_use: int = 0
    edited_tokens: int = 0
    profiles: tuple[str, ...] = ()
    columns: tuple[int, ...] = (16, 16)
    columns_taken: tuple[int, ...] = (1, 2)
    memories: int = 32
    memories_taken: int = 3
    no_reasoning: str = ""


@dataclass
class FakeControl:
    """An engine that loads anything, until told otherwise."""

    loaded: list[str] = field(default_factory=list)
    probed: list[SteeringRequest] = field(default_factory=list)
    answer: FakeFacts = field(default_factory=FakeFacts)
    armed: bool = True
    no_room: bool = False
    room: int = 99  # profiles
    no_effect: bool = False
    busy: set[str] = field(default_factory=set)
    strongest: float | None = None
    broken: Exception | None = None

    async def handshake(self) -> None:
        if not self.armed:
            raise EngineError("worker 0 is not armed: test")

    async def load(self, data: bytes) -> str:
        if self.no_room or len(self.loaded) >= self.room:
            raise EngineError("no room: raise --column-headroom")
        found = store.loads(data, "test").content_hash
        self.loaded.append(found)
        return found

    async def unload(self, content_hash: str) -> None:
        if content_hash in self.busy:
            raise EngineError("in use by running requests")
        self.loaded.remove(content_hash)

    async def in_use(self, content_hash: str) -> bool:
        return content_hash in self.busy

    async def canary(self, requests: Sequence[SteeringRequest], strongest: float) -> None:
        self.strongest = strongest
        if self.broken:
            raise self.broken
        if self.no_effect:
            raise EngineError("steering changed log-probabilities by only 0")
        self.probed.extend(requests)

    async def facts(self) -> FakeFacts:
        return self.answer


CHAT = "/v1/chat/completions"
JSON = {"content-type": "application/json"}


class Upstream:
    """Stands for vLLM: keeps what it got, answers what it is told."""

    def __init__(self) -> None:
        self.scope: Scope = {}
        self.body = b""
        self.calls = 0
        self.status = 200
        self.kind = b"application/json"
        self.chunks = [b"{}"]
        self.wait: asyncio.Event | None = None

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        self.scope, self.calls, self.body = scope, self.calls + 1, b""
        while True:
            message = await receive()
            if message["type"] == "http.disconnect":
                return
            self.body += message.get("body", b"")
            if not message.get("more_body", False):
                break
        headers = [(b"content-type", self.kind)]
        await send({"type": "http.response.start", "status": self.status, "headers": headers})
        for chunk in self.chunks:
            await send({"type": "http.response.body", "body": chunk, "more_body": True})
        if self.wait:
            # As Starlette's StreamingResponse does: stop when the client leaves.
            while (await receive())["type"] != "http.disconnect":
                pass
            return
        await send({"type": "http.response.body", "body": b""})

    @property
    def headers(self) -> dict[str, str]:
        return {key.decode(): value.decode() for key, value in self.scope["headers"]}

    @property
    def steering(self) -> SteeringRequest | None:
        return SteeringRequest.from_extra_args(json.loads(self.body).get("vllm_xargs"))


class Stack:
    """The middleware around an upstream, its metrics, and a client."""

    def __init__(
        self,
        catalog: Catalog,
        policy: str = "",
        *,
        everything: bool | None = None,
        log: AnswerLog | None = None,
        models: Sequence[str] = (),
    ) -> None:
        self.upstream = Upstream()
        self.registry = CollectorRegistry()
        self.leases = Leases()
        self.refreshed = 0
        metrics = Metrics(self.registry)
        self.book = load(policy.encode()) if policy else None
        self.monitor: Monitor | None = None
        if everything is not None:
            self.monitor = Monitor(
                catalog=lambda: catalog, metrics=metrics, everything=everything, log=log
            )
        aliases = Aliases(lambda: models, lambda: ("adapter:de",)) if models else None
        gate = Gate(
            lambda: self.book,  # type: ignore[arg-type, return-value]
            catalog=lambda: catalog,
            metrics=metrics,
            default_model=lambda: "m",
            max_strength=8.0,
            max_body=4096,
            aliases=aliases,
        )
        self.app = SteeringMiddleware(
            self.upstream,
            catalog=lambda: catalog,
            metrics=metrics,
            leases=self.leases,
            refresh=self._refresh,
            max_strength=8.0,
            max_body=4096,
            gate=gate if policy else None,
            monitor=self.monitor,
            aliases=aliases,
        )
        transport = httpx.ASGITransport(self.app)
        self.client = httpx.AsyncClient(transport=transport, base_url="http://test")

    async def _refresh(self) -> None:
        self.refreshed += 1

    async def raw(
        self, body: bytes, headers: dict[str, str] = JSON, path: str = "/v1/completions"
    ) -> Any:
        return await self.client.post(path, content=body, headers=headers)

    def counted(self, outcome: str, **labels: str) -> float:
        defaults = {"target": "de", "suppress": "", "strength": "<=1", "phase": "all"}
        return (
            self.registry.get_sample_value(
                "langsteer_requests_total", {**defaults, **labels, "outcome": outcome}
            )
            or 0
        )

    def judged(self) -> dict[tuple[str, ...], float]:
        """(wanted, found, verdict, policy, part) → how many, of the answers that were judged."""
        assert self.monitor
        assert self.monitor.worker.settle(20)
        return {
            tuple(sample.labels[key] for key in ("wanted", "found", "verdict", "policy", "part")): (
                sample.value
            )
            for metric in self.registry.collect()
            for sample in metric.samples
            if sample.name == "langsteer_answers_total"
        }

    def dropped(self, reason: str) -> float:
        name = "langsteer_monitor_dropped_total"
        return self.registry.get_sample_value(name, {"reason": reason}) or 0

    def ruled(self, policy: str, result: str) -> float:
        labels = {"policy": policy, "result": result}
        return self.registry.get_sample_value("langsteer_policy_requests_total", labels) or 0

    def refusals(self, reason: str) -> float:
        return (
            self.registry.get_sample_value("langsteer_requests_refused_total", {"reason": reason})
            or 0
        )


def put(path: Path, text: str | None) -> None:
    """Write the file, or take it away."""
    path.unlink() if text is None else path.write_text(text)


@pytest.fixture
def model() -> ModelIdentity:
    return MODEL


@pytest.fixture
def make_profile() -> Callable[..., Profile]:
    return profile


@pytest.fixture
def make_entry() -> Callable[..., Entry]:
    return entry


@pytest.fixture
def control() -> FakeControl:
    return FakeControl()


@pytest.fixture(scope="session")
def catalog() -> Catalog:
    """de, ja, pt, zh with both edits; fr towards only; en away only; a second German one."""
    both = [entry(tag) for tag in ("de", "de-x-formal", "ja", "pt", "zh")]
    return Catalog([*both, entry("fr", "target"), entry("en", "suppress")])


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A folder with good profile files of de and ja."""
    for language in ("de", "ja"):
        store.save(profile(language), tmp_path)
    return tmp_path


@pytest.fixture
async def stack(catalog: Catalog) -> AsyncIterator[Stack]:
    stack = Stack(catalog)
    async with stack.client:
        yield stack


@pytest.fixture
async def ruled(catalog: Catalog) -> AsyncIterator[Callable[..., Stack]]:
    """ruled(policy): a stack with a policy, of which the text is given; as `Stack` otherwise."""
    made: list[Stack] = []

    def make(policy: str = "", **more: Any) -> Stack:
        made.append(Stack(catalog, policy, **more))
        return made[-1]

    yield make
    for each in made:
        await each.client.aclose()
