"""A real `langsteer serve` process, and what the server tests ask of it."""

from __future__ import annotations

import dataclasses
import os
import random
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import openai
from prometheus_client.parser import text_string_to_metric_families

from profiles import store
from profiles.profile import ModelIdentity
from tests.e2e.conftest import synthetic

LANGSTEER = Path(sys.executable).with_name("langsteer")
PROMPT = "The kitchen window was still open when"


@dataclasses.dataclass
class Running:
    url: str
    folder: Path
    log: Path
    process: subprocess.Popen[bytes]

    def client(self) -> openai.OpenAI:
        return openai.OpenAI(base_url=f"{self.url}/v1", api_key="none", max_retries=0)

    def metric(self, name: str, **labels: str) -> float:
        """Sum of a metric's samples that carry these labels."""
        text = httpx.get(f"{self.url}/metrics", timeout=30).text
        return sum(
            sample.value
            for family in text_string_to_metric_families(text)
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def command(folder: Path, port: int, model: str = "demo", *more: str) -> list[str]:
    options = {
        "--profiles": folder,
        "--port": port,
        "--host": "127.0.0.1",
        "--dtype": "float32",
        "--max-model-len": 512,
        "--max-num-seqs": 16,
        "--block-size": 32,
    }
    flat = [str(part) for pair in options.items() for part in pair]
    return [str(LANGSTEER), "serve", model, *flat, "--enforce-eager", *more]


def environment(**more: str) -> dict[str, str]:
    return {
        **os.environ,
        "VLLM_CPU_KVCACHE_SPACE": "1",
        "VLLM_CPU_OMP_THREADS_BIND": "nobind",
        "VLLM_NO_USAGE_STATS": "1",
        # Background answers are kept.
        "VLLM_ENABLE_RESPONSES_API_STORE": "1",
        **more,
    }


def free_port() -> int:
    with socket.socket() as s:
        s.bind(("127.0.0.1", 0))
        return int(s.getsockname()[1])


def start(args: list[str], log: Path, **env: str) -> subprocess.Popen[bytes]:
    with log.open("wb") as stream:
        return subprocess.Popen(
            args, stdout=stream, stderr=subprocess.STDOUT, env=environment(**env)
        )


def stop(process: subprocess.Popen[bytes]) -> None:
    process.send_signal(signal.SIGTERM)
    try:
        process.wait(60)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


def ready(url: str, process: subprocess.Popen[bytes], log: Path, limit: float = 600) -> None:
    deadline = time.monotonic() + limit
    while time.monotonic() < deadline:
        assert process.poll() is None, log.read_text()[-4000:]
        try:
            if httpx.get(f"{url}/health", timeout=2).status_code == 200:
                return
        except httpx.TransportError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"not ready within {limit} s\n{log.read_text()[-4000:]}")


@contextmanager
def serving(profiles: Path, folder: Path, *more: str, **env: str) -> Iterator[Running]:
    """A server of the demo model that is ready; stopped on the way out.

    Args:
        profiles: what it serves.
        folder: where its log goes.
        more: further options.
        env: variables beside the test's own.
    """
    port, log = free_port(), folder / "log"
    process = start(command(profiles, port, "demo", *more), log, **env)
    running = Running(f"http://127.0.0.1:{port}", folder, log, process)
    try:
        ready(running.url, process, log)
        yield running
    finally:
        stop(process)


def bad_files(good: Path, identity: ModelIdentity) -> dict[str, bytes]:
    """File name -> content, one for each way a profile can be bad."""
    data = good.read_bytes()
    other = synthetic(dataclasses.replace(identity, weights="0" * 64), "fr", 9, kinds="n")
    wide = synthetic(dataclasses.replace(identity, hidden_size=64), "it", 9, kinds="o")
    flipped = bytearray(data)
    flipped[-40] ^= 0xFF
    # NaN can't be written by the store: put one over a float in the file's last tensor.
    holed = bytearray(data)
    holed[-4:] = np.array([np.nan], np.float32).tobytes()
    return {
        "es.safetensors": b"not a profile at all",
        "pt.safetensors": data[: len(data) // 2],
        "nl.safetensors": b"",
        "pl.safetensors": bytes(flipped),
        "ru.safetensors": bytes(holed),
        "fr.safetensors": store.dumps(other),
        "it.safetensors": store.dumps(wide),
    }


def random_asks(rng: random.Random, count: int) -> list[dict[str, Any]]:
    """Random prompts, targets, strengths, phases and lengths; every fifth to be cancelled."""
    words = PROMPT.split()
    asks: list[dict[str, Any]] = []
    for i in range(count):
        target = rng.choice([None, "de", "ja", "zh"])
        away = rng.sample(["de", "ja", "zh"], rng.choice([0, 0, 1, 2]))
        steering: dict[str, Any] = {"target": target} if target else {}
        if suppress := [name for name in away if name != target]:
            steering["suppress"] = suppress
        if steering:
            steering["strength"] = rng.choice([0.25, 0.5, 1.0, 1.5])
            steering["phase"] = rng.choice(["all", "decode"])
        asks.append(
            {
                "prompt": " ".join(rng.choices(words, k=rng.randint(1, 40))),
                "max_tokens": rng.randint(2, 12),
                "steering": steering or None,
                "cancel": i % 5 == 4,
            }
        )
    return asks
