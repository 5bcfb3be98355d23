"""Two replicas on a Ray of their own, asked all the time while their profiles change.

`python ray_run.py SPEC OUT`, see test_ray.py.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import ray
from ray import serve

from server.on_ray.application import build
from server.on_ray.options import Options
from server.on_ray.update import NAMESPACE

NAME = "langsteer"
# What is asked for all the time: by language only, so that each answer says which version it got.
KINDS: dict[str, dict[str, Any] | None] = {
    "unsteered": None,
    "de": {"target": "de"},
    "ja": {"target": "ja"},
}
_CLIENTS = 3


class Clients:
    """Threads that ask one request after another."""

    def __init__(self, url: str) -> None:
        self.answers: list[dict[str, Any]] = []
        self._url = url
        self._over = threading.Event()
        self._threads = [
            threading.Thread(target=self._run, args=(number,)) for number in range(_CLIENTS)
        ]
        for thread in self._threads:
            thread.start()

    def stop(self) -> None:
        self._over.set()
        for thread in self._threads:
            thread.join()

    def _run(self, number: int) -> None:
        kinds = [*KINDS]
        with httpx.Client(base_url=self._url, timeout=120) as client:
            while not self._over.is_set():
                kind = kinds[number % len(kinds)]
                number += 1
                began = time.monotonic()
                try:
                    answer = ask(client, KINDS[kind], stream=number % 2 == 0)
                except httpx.HTTPError as error:
                    answer = {"status": 0, "error": repr(error)}
                answer |= {"kind": kind, "began": began, "ended": time.monotonic()}
                self.answers.append(answer)


def ask(
    client: httpx.Client, steering: dict[str, Any] | None, *, stream: bool = False
) -> dict[str, Any]:
    """A greedy completion, and what the answer's headers say."""
    body = {
        "model": "served",
        "prompt": [2, *range(40, 60)],
        "max_tokens": 6,
        "temperature": 0,
        "ignore_eos": True,
        "stream": stream,
        **({"steering": steering} if steering else {}),
    }
    got = client.post("/v1/completions", json=body)
    found = {
        "status": got.status_code,
        "applied": got.headers.get("x-steering-profile", ""),
        "replica": got.headers.get("x-langsteer-replica", ""),
        "error": "" if got.status_code == 200 else got.text[:500],
        "text": "",
    }
    if got.status_code == 200 and stream:
        lines = [line[6:] for line in got.text.splitlines() if line.startswith("data: ")]
        if lines[-1:] != ["[DONE]"]:
            return found | {"status": 0, "error": "the stream was cut off"}
        found["text"] = "".join(json.loads(line)["choices"][0]["text"] for line in lines[:-1])
    elif got.status_code == 200:
        found["text"] = got.json()["choices"][0]["text"]
    return found


def update(folder: Path, files: dict[str, str | None]) -> dict[str, Any]:
    """Change the folder as an operator does, and run the command."""
    for name, source in files.items():
        target = folder / f"{name}.safetensors"
        if source is None:
            target.unlink()
        else:
            beside = folder / f".{name}.part"
            shutil.copy(source, beside)
            beside.replace(target)
    began = time.monotonic()
    done = subprocess.run(
        [sys.executable, "-m", "server.on_ray.update", "--json", "--address", _address()],
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.stdout, done.stderr[-3000:]
    times = {"began": began, "ended": time.monotonic(), "code": done.returncode}
    return {"report": json.loads(done.stdout.splitlines()[-1]), **times}


def _address() -> str:
    return str(ray.get_runtime_context().gcs_address)


def main() -> None:
    spec = json.loads(Path(sys.argv[1]).read_text())
    folder = Path(spec["folder"])
    out: dict[str, Any] = {}
    ray.init(num_cpus=4, num_gpus=0, include_dashboard=False, object_store_memory=200 << 20)
    try:
        serve.start(http_options={"host": "127.0.0.1", "port": spec["port"]})
        options = Options(
            model=spec["model"],
            profiles=folder,
            replicas=2,
            options=tuple(spec["options"]),
            environment=spec["environment"],
        )
        serve.run(build(options), name="langsteer", route_prefix="/")
        url = f"http://127.0.0.1:{spec['port']}"
        with httpx.Client(base_url=url, timeout=120) as client:
            out["refused"] = {
                path: client.post(path).status_code
                for path in ("/v1/steering/profiles/reload", "/reset_prefix_cache")
            }
            out["unknown"] = ask(client, {"target": "fr"})
            out["listed"] = client.get("/v1/steering/profiles").json()
            clients = Clients(url)
            time.sleep(spec["seconds"])
            out["update"] = update(folder, spec["changes"])
            time.sleep(spec["seconds"])
            out["refusal"] = update(folder, spec["bad"])
            time.sleep(spec["seconds"] / 2)
            clients.stop()
            out["pinned"] = [
                ask(client, {"target": "de", "profile": label}) for label in spec["pins"]
            ]
            out["fr"] = ask(client, {"target": "fr"})
        out["answers"] = clients.answers
        board = ray.get_actor(NAME, namespace=NAMESPACE)
        out["status"] = ray.get(board.status.remote())
    finally:
        serve.shutdown()
        ray.shutdown()
    Path(sys.argv[2]).write_text(json.dumps(out))


if __name__ == "__main__":
    main()
