"""Two engines behind one server, the second on a node of its own: profiles reach both."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from profiles import store
from profiles.models.fingerprint import fingerprint
from profiles.profile import ModelIdentity
from tests.e2e.conftest import save_all, synthetic
from tests.e2e.running import Running, command, free_port, ready, start, stop
from tests.tiny_model import SIZES, save_model

pytestmark = pytest.mark.e2e

PROMPT = [2, *range(40, 60)]


@pytest.fixture(scope="module")
def identity_and_model(tmp_path_factory: pytest.TempPathFactory) -> tuple[ModelIdentity, Path]:
    model = save_model(tmp_path_factory.mktemp("model"), **SIZES)
    return fingerprint(model), model


@pytest.fixture(scope="module")
def server(
    identity_and_model: tuple[ModelIdentity, Path], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    identity, model = identity_and_model
    folder = save_all(
        {name: synthetic(identity, name, n, kinds="nom") for n, name in enumerate(["de", "ja"])},
        tmp_path_factory.mktemp("served"),
    )
    port, rpc = free_port(), free_port()
    shared = [
        *("--data-parallel-size", "2", "--data-parallel-size-local", "1"),
        *("--data-parallel-address", "127.0.0.1", "--data-parallel-rpc-port", str(rpc)),
        *("--served-model-name", "tiny"),
    ]
    nodes = {
        "head": command(folder, port, str(model), *shared),
        "other": command(
            folder,
            free_port(),
            str(model),
            *shared,
            "--headless",
            "--data-parallel-start-rank",
            "1",
        ),
    }
    where = tmp_path_factory.mktemp("logs")
    processes = {
        name: start(args, where / name, OMP_NUM_THREADS="1") for name, args in nodes.items()
    }
    running = Running(f"http://127.0.0.1:{port}", folder, where / "head", processes["head"])
    try:
        ready(running.url, running.process, running.log)
        yield running
    finally:
        for process in processes.values():
            stop(process)


def ask(server: Running, engine: int, steering: dict[str, Any] | None = None) -> dict[str, Any]:
    answer = httpx.post(
        f"{server.url}/v1/completions",
        json={
            "model": "tiny",
            "prompt": PROMPT,
            "max_tokens": 8,
            "temperature": 0,
            "logprobs": 1,
            "ignore_eos": True,
            **({"steering": steering} if steering else {}),
        },
        headers={"X-data-parallel-rank": str(engine)},
        timeout=120,
    )
    assert answer.status_code == 200, answer.text
    return answer.json()["choices"][0]["logprobs"]  # type: ignore[no-any-return]


def status(server: Running) -> dict[str, Any]:
    return httpx.get(f"{server.url}/v1/steering/status", timeout=60).json()  # type: ignore[no-any-return]


def same(a: dict[str, Any], b: dict[str, Any]) -> bool:
    return a["tokens"] == b["tokens"] and a["token_logprobs"] == pytest.approx(
        b["token_logprobs"], abs=1e-4
    )


@pytest.mark.parametrize(
    "steering",
    [
        None,
        {"target": "de", "strength": 2.0},
        {"target": "ja", "suppress": ["de"], "phase": "decode", "strength": 2.0},
    ],
)
def test_both_engines_steer_alike(server: Running, steering: dict[str, Any] | None) -> None:
    before = status(server)["edited_tokens"]
    first, second = ask(server, 0, steering), ask(server, 1, steering)
    assert same(first, second)
    assert same(first, ask(server, 0)) == (steering is None)
    # Both counted, on both nodes: twenty-one tokens of prompt and seven of the answer, or eight.
    edited = {"all": 2 * 28, "decode": 2 * 8}
    expected = edited[steering.get("phase", "all")] if steering else 0
    assert status(server)["edited_tokens"] - before == expected


def test_a_profile_comes_to_both_engines_and_leaves_both(
    server: Running, identity_and_model: tuple[ModelIdentity, Path]
) -> None:
    assert (status(server)["engines"], status(server)["workers"]) == (2, 2)
    plain = ask(server, 1)
    store.save(synthetic(identity_and_model[0], "fr", 7, kinds="o"), server.folder)
    report = httpx.post(f"{server.url}/v1/steering/profiles/reload", timeout=120).json()
    assert [label.partition("@")[0] for label in report["loaded"]] == ["fr"]
    new = [ask(server, engine, {"target": "fr", "strength": 2.0}) for engine in (0, 1)]
    assert same(*new)
    assert not same(plain, new[1])
    there = len(status(server)["profiles_in_engine"])
    unloaded = httpx.post(f"{server.url}/v1/steering/profiles/fr/unload?wait=10", timeout=60)
    assert unloaded.json()["state"] == "unloaded"
    # An engine that kept it would disagree with the other, and the status be an error.
    assert len(status(server)["profiles_in_engine"]) == there - 1
