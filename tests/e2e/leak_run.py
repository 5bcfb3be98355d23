"""Random traffic on one real engine, each answer compared with the same request alone.

`python leak_run.py SPEC OUT`: SPEC is JSON {"engine": {LLM arguments}, "profiles": [files],
"examples": n, "seed": n, "runner": as in engine_run.py, "vocabulary": size}. Hypothesis makes
histories of requests (prefixes in common, next turns, cancellations, profiles that come and go) for
a KV cache so small that requests are preempted. OUT gets counts of what happened; the exit status
is 1, and the log has the shortest history found, where an answer differs.
"""

from __future__ import annotations

import json
import sys
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import in_process  # beside this file

TOLERANCE = 1e-4  # float32: batches of other shapes sum in another order


@dataclass(frozen=True)
class Ask:
    """A new request: which prompt, which steering, how many tokens."""

    prompt: int
    steering: int
    tokens: int


@dataclass(frozen=True)
class Turn:
    """A finished request's prompt and answer, and more: the next turn of a conversation."""

    of: int
    more: int
    steering: int
    tokens: int


@dataclass(frozen=True)
class Cancel:
    which: int


@dataclass(frozen=True)
class Steps:
    count: int


@dataclass(frozen=True)
class Load:
    which: int


@dataclass(frozen=True)
class Unload:
    which: int


@dataclass
class Traffic:
    """One engine and what the server would know of it: who runs, and with which profiles."""

    llm: Any
    files: dict[str, bytes]  # by content hash
    prompts: list[list[int]]
    counts: Counter[str] = field(default_factory=Counter)
    alone: dict[Any, tuple[list[int], list[dict[int, float]]]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.loaded = [*self.files]
        self.number = 0
        self.running: dict[str, tuple[list[int], Any, int]] = {}
        self.finished: list[tuple[list[int], Any, int, list[int], list[dict[int, float]]]] = []

    def history(self, ops: list[Any]) -> None:
        """Do it all, wait for the end, compare every answer; the engine is as before then."""
        self.finished.clear()
        for op in ops:
            self.do(op)
        self.drain()
        for prompt, steering, tokens, got, logprobs in self.finished:
            expected = self.isolated(prompt, steering, tokens)
            compare((got, logprobs), expected, (prompt[:4], len(prompt), steering))
            self.counts["compared"] += 1
            self.counts["compared steered"] += steering is not None
        facts = self.facts()
        assert facts["rows_in_use"] == 0, facts
        for content_hash in self.files:
            self.load(content_hash)
        self.counts["histories"] += 1

    def do(self, op: Any) -> None:
        if isinstance(op, Ask):
            self.add(self.prompts[op.prompt % len(self.prompts)], op.steering, op.tokens)
        elif isinstance(op, Turn) and self.finished:
            prompt, _, _, answer, _ = self.finished[op.of % len(self.finished)]
            more = self.prompts[op.more % len(self.prompts)][:9]
            self.add((prompt + answer + more)[-120:], op.steering, op.tokens)
            self.counts["turns"] += 1
        elif isinstance(op, Cancel) and self.running:
            name = [*self.running][op.which % len(self.running)]
            del self.running[name]
            self.llm.llm_engine.abort_request([name])
            self.counts["cancelled"] += 1
        elif isinstance(op, Steps):
            for _ in range(op.count):
                self.step()
        elif isinstance(op, Load):
            self.load([*self.files][op.which % len(self.files)])
        elif isinstance(op, Unload) and self.loaded:
            self.unload(self.loaded[op.which % len(self.loaded)])

    def steering(self, number: int) -> Any:
        """One of many kinds, of the profiles that are loaded now; every fourth is none."""
        from steering.request import SteeringRequest

        if number % 4 == 0 or not self.loaded:
            return None
        here = self.loaded[number % len(self.loaded)]
        other = self.loaded[(number // 3) % len(self.loaded)]
        target, suppress = [(here, ()), (None, (here,)), (here, (other,))][number % 3]
        return SteeringRequest(
            target=target,
            suppress=suppress,
            suppress_strengths=(1.5,) if suppress and number % 5 == 0 else (),
            strength=(0.5, 2.0, 6.0)[number // 4 % 3],
            phase=("all", "decode")[number // 5 % 2],
        )

    def add(self, prompt: list[int], kind: int, tokens: int) -> None:
        steering = self.steering(kind)
        name = f"r{self.number}"
        self.number += 1
        self.running[name] = (prompt, steering, tokens)
        self.send(name, prompt, steering, tokens)
        self.counts["requests"] += 1

    def send(self, name: str, prompt: list[int], steering: Any, tokens: int) -> None:
        params = in_process.greedy(tokens, steering)
        self.llm.llm_engine.add_request(name, {"prompt_token_ids": prompt}, params)

    def step(self) -> None:
        for output in self.llm.llm_engine.step():
            if not output.finished or output.request_id not in self.running:
                continue
            prompt, steering, tokens = self.running.pop(output.request_id)
            self.counts["cached"] += bool(output.num_cached_tokens)
            self.finished.append((prompt, steering, tokens, *answer(output)))

    def drain(self) -> None:
        while self.llm.llm_engine.has_unfinished_requests():
            self.step()
        self.llm.llm_engine.step()  # carries the last requests' end to the worker
        assert not self.running, self.running

    def load(self, content_hash: str) -> None:
        (said,) = self.llm.collective_rpc("langsteer_load", args=(self.files[content_hash],))
        assert said.get("hash") == content_hash, said
        if content_hash not in self.loaded:
            self.loaded.append(content_hash)
            self.counts["loads"] += 1

    def unload(self, content_hash: str) -> None:
        # Requests that wait in the queue, which no worker knows, count too.
        named = [s for _, s, _ in self.running.values() if s]
        needed = any(content_hash in (s.target, *s.suppress) for s in named)
        (said,) = self.llm.collective_rpc("langsteer_unload", args=(content_hash,))
        if "error" in said:  # or its last request ended, and the worker does not know yet
            assert "in use" in said["error"], said
            self.counts["kept"] += needed
            return
        assert not needed, said
        self.loaded.remove(content_hash)
        self.counts["unloads"] += 1

    def facts(self) -> dict[str, Any]:
        (facts,) = self.llm.collective_rpc("langsteer_facts")
        return dict(facts)

    def isolated(self, prompt: list[int], steering: Any, tokens: int) -> Any:
        key = (tuple(prompt), steering and steering.fingerprint, tokens)
        if key not in self.alone:
            for content_hash in (steering.target, *steering.suppress) if steering else ():
                if content_hash:
                    self.load(content_hash)
            assert self.llm.reset_prefix_cache()
            self.send("alone", prompt, steering, tokens)
            output = None
            while self.llm.llm_engine.has_unfinished_requests():
                output = (self.llm.llm_engine.step() or [output])[0]
            self.llm.llm_engine.step()
            self.alone[key] = answer(output)
            assert self.llm.reset_prefix_cache()
        return self.alone[key]


def answer(output: Any) -> tuple[list[int], list[dict[int, float]]]:
    (one,) = output.outputs
    logprobs = [{t: entry.logprob for t, entry in step.items()} for step in one.logprobs]
    return list(one.token_ids), logprobs


def compare(got: Any, expected: Any, what: Any) -> None:
    """The same tokens and log-probabilities, as far as no two tokens are as good as tied."""
    for at, (token, other) in enumerate(zip(got[0], expected[0], strict=True)):
        a, b = got[1][at], expected[1][at]
        for each in a.keys() & b.keys():
            assert abs(a[each] - b[each]) < TOLERANCE, (what, at, a, b)
        if token != other:
            assert abs(b[other] - b.get(token, -1e9)) < TOLERANCE, (what, at, a, b)
            return


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    in_process.prepare(spec["runner"])
    from hypothesis import HealthCheck, given, seed, settings
    from hypothesis import strategies as st
    from vllm import LLM

    from profiles import store

    files = [Path(path).read_bytes() for path in spec["profiles"]]
    profiles = [store.loads(data, "profile") for data in files]
    llm = LLM(**spec["engine"], **in_process.armed(profiles))
    import random

    rng = random.Random(0)
    base = [rng.randrange(3, spec["vocabulary"]) for _ in range(110)]
    other = [rng.randrange(3, spec["vocabulary"]) for _ in range(110)]
    # Beginnings in common of none, one, two and three cache blocks, and lengths at their edges.
    prompts = [base[:5], base[:33], base[:64], base[:70], base[:100], base[:64] + other[:20]]
    prompts += [other[:32], other[:97], base[:32] + other[:40]]
    traffic = Traffic(
        llm, {p.content_hash: d for p, d in zip(profiles, files, strict=True)}, prompts
    )
    for content_hash in traffic.files:
        traffic.load(content_hash)
    seen = in_process.watch()
    number = st.integers(0, 59)
    asks = st.builds(Ask, number, number, st.integers(1, 40))
    op = st.one_of(
        asks,
        asks,
        asks,
        st.builds(Turn, number, number, number, st.integers(1, 30)),
        st.builds(Cancel, number),
        st.builds(Steps, st.integers(1, 12)),
        st.builds(Load, number),
        st.builds(Load, number),
        st.builds(Load, number),
        st.builds(Unload, number),
    )

    @seed(spec["seed"])
    @settings(
        max_examples=spec["examples"],
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
        print_blob=True,
    )
    @given(st.lists(op, min_size=20, max_size=60))
    def histories(ops: list[Any]) -> None:
        if traffic.running:  # an example before this one failed half-way
            llm.llm_engine.abort_request([*traffic.running])
            traffic.running.clear()
            traffic.drain()
        traffic.history(ops)

    histories()
    facts = traffic.facts()
    (runner,) = llm.collective_rpc(lambda worker: type(worker.model_runner).__module__)
    Path(sys.argv[2]).write_text(
        json.dumps({"counts": traffic.counts | seen, "facts": facts, "runner": runner})
    )


if __name__ == "__main__":
    main()
