"""The blocks of docs/clients.md, run as they stand: each client is answered what the others are."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.e2e.running import Running, command, free_port, ready, start, stop

pytestmark = pytest.mark.e2e

ROOT = Path(__file__).parents[2]
CLIENTS = ROOT / ".venv/.langsteer/clients"  # from deploy/setup_clients.sh
TEXT = (ROOT / "docs/clients.md").read_text(encoding="utf-8")
# The first block of each section, by its heading.
BLOCKS = {
    section.partition("\n")[0]: re.split(r"^```.*\n", section, flags=re.MULTILINE)[1]
    for section in TEXT.split("\n## ")[1:]
}
ASKED = {
    "model": "demo",
    "messages": [{"role": "user", "content": "Why is the sky blue?"}],
    "max_tokens": 24,
    "temperature": 0,
}


@pytest.fixture(scope="module")
def server(profile_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    port, log = free_port(), tmp_path_factory.mktemp("clients") / "log"
    process = start(command(profile_folder, port), log)
    running = Running(f"http://127.0.0.1:{port}", profile_folder, log, process)
    try:
        ready(running.url, process, log)
        yield running
    finally:
        stop(process)


def ask(server: Running, **more: Any) -> str:
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=ASKED | more, timeout=120)
    content = answer.raise_for_status().json()["choices"][0]["message"]["content"]
    assert isinstance(content, str)
    return content


@pytest.fixture(scope="module")
def steered(server: Running) -> str:
    steered = ask(server, steering={"target": "de"})
    assert steered != ask(server)
    return steered


def run(server: Running, name: str, folder: Path, *, target: str = "de") -> Any:
    """Run a block, with the server's address and `target` in it; the finished process."""
    block = BLOCKS[name].replace("http://localhost:8000", server.url).replace('"de"', f'"{target}"')
    if name.endswith("Node.js"):
        node = shutil.which("node")
        if node is None or not (CLIENTS / "node_modules/openai").is_dir():
            pytest.skip("no Node.js with the openai package (make test installs the package)")
        (folder / "node_modules").symlink_to(CLIENTS / "node_modules")
        (folder / "block.mjs").write_text(block, encoding="utf-8")
        program = [node, str(folder / "block.mjs")]
    elif name == "curl":
        if shutil.which("curl") is None:
            pytest.skip("curl is not installed")
        program = ["sh", "-c", block]
    else:
        python = Path(sys.executable) if name.startswith("openai") else CLIENTS / "bin/python"
        if not python.is_file():
            pytest.skip(f"{name} is not installed (make test installs it)")
        program = [str(python), "-X", "utf8", "-c", block]
    return subprocess.run(
        program, cwd=folder, capture_output=True, timeout=300, encoding="utf-8", check=False
    )


def of_curl(output: str) -> str:
    """The text of both answers, a line between them."""
    whole, *events = [line for line in output.splitlines() if line]
    texts = [json.loads(whole.split("data: ")[0])["choices"][0]["message"]["content"] + "\n"]
    lines = [whole[whole.find("data: ") :], *events] if "data: " in whole else events
    for line in lines:
        data = line.removeprefix("data: ")
        if data != "[DONE]" and (choices := json.loads(data)["choices"]):
            texts.append(choices[0]["delta"].get("content") or "")
    return "".join(texts)


@pytest.mark.parametrize("name", BLOCKS)
def test_a_documented_client_is_steered_whole_and_streaming(
    server: Running, steered: str, name: str, tmp_path: Path
) -> None:
    done = run(server, name, tmp_path)
    assert done.returncode == 0, done.stderr[-3000:]
    found = of_curl(done.stdout) if name == "curl" else done.stdout
    assert found.rstrip("\n") == f"{steered}\n{steered}".rstrip("\n")


@pytest.mark.parametrize("name", BLOCKS)
def test_a_documented_client_hears_why_it_is_refused(
    server: Running, name: str, tmp_path: Path
) -> None:
    done = run(server, name, tmp_path, target="fi")
    said = done.stdout + done.stderr
    assert "fi" in said
    assert "available" in said or "languages" in said, said[-3000:]
    assert (done.returncode == 0) == (name == "curl")  # curl shows the error as it shows an answer


def test_every_client_has_a_block() -> None:
    assert list(BLOCKS) == [
        "curl",
        "openai for Python",
        "openai for Node.js",
        "LiteLLM",
        "LangChain",
    ]
