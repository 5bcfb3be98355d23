"""Clients of every kind: the blocks of docs/clients.md, model aliases, the log and the traces."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import httpx
import openai
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.e2e.running import Running, serving

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


class Collector:
    """An OTLP receiver: keeps the spans that were sent to it."""

    def __init__(self) -> None:
        self.spans: list[Any] = []
        spans = self.spans

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                sent = ExportTraceServiceRequest.FromString(body)
                for resource in sent.resource_spans:
                    for scope in resource.scope_spans:
                        spans.extend(scope.spans)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *args: object) -> None:
                """Say nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/v1/traces"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def wait(self, name: str, trace_id: str) -> Any:
        """The span of this name in a trace, once it was sent."""
        deadline = time.monotonic() + 30
        while time.monotonic() < deadline:
            for span in self.spans:
                if (span.name, span.trace_id.hex()) == (name, trace_id):
                    return span
            time.sleep(0.2)
        raise AssertionError(f"no span {name} of {trace_id} among {[s.name for s in self.spans]}")


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    collector = Collector()
    yield collector
    collector.server.shutdown()
    collector.server.server_close()


@pytest.fixture(scope="module")
def server(
    profile_folder: Path, collector: Collector, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Running]:
    folder = tmp_path_factory.mktemp("clients")
    more = ["--model-aliases", "--request-log", str(folder / "requests.jsonl")]
    more += ["--otlp-traces-endpoint", collector.url]
    http = {"OTEL_EXPORTER_OTLP_TRACES_PROTOCOL": "http/protobuf", "OTEL_BSP_SCHEDULE_DELAY": "200"}
    with serving(profile_folder, folder, *more, **http) as running:
        yield running


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


def test_a_model_that_is_an_alias_is_the_model_steered(server: Running, steered: str) -> None:
    with server.client() as client:
        listed = [model.id for model in client.models.list()]
        assert listed[0] == "demo"
        assert sorted(listed[1:]) == ["demo:de", "demo:ja", "demo:zh"]
        asked: Any = ASKED | {"model": "demo:de"}
        answer = client.chat.completions.with_raw_response.create(**asked)
        assert answer.parse().choices[0].message.content == steered
        assert answer.headers["x-steering-profile"].startswith("de@")
        stream = client.chat.completions.create(**asked, stream=True)
        parts = [c.choices[0].delta.content or "" for c in stream if c.choices]
        assert "".join(parts) == steered
        with pytest.raises(openai.BadRequestError, match="fi"):
            client.chat.completions.create(**asked | {"model": "demo:fi"})
        with pytest.raises(openai.NotFoundError):
            client.chat.completions.create(**asked | {"model": "nobody:de"})


def logged(file: Path, request_id: str) -> list[dict[str, Any]]:
    """A request's lines: they are written off the hot path, so soon and not at once."""
    deadline = time.monotonic() + 30
    while True:
        lines = [json.loads(line) for line in file.read_text().split("\n")[:-1]]
        found = [line for line in lines if line["request_id"] == request_id]
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


def test_a_request_can_be_found_again_in_the_log_and_in_the_traces(
    server: Running, collector: Collector
) -> None:
    trace_id = "4bf92f3577b34da6a3ce929d0e0e4736"
    headers = {
        "X-Request-Id": "find-me",
        "traceparent": f"00-{trace_id}-00f067aa0ba902b7-01",
    }
    body = ASKED | {"steering": {"target": "ja", "strength": 0.5}}
    answer = httpx.post(f"{server.url}/v1/chat/completions", json=body, headers=headers, timeout=60)
    assert answer.headers["x-request-id"] == "find-me"
    assert answer.json()["id"].endswith("find-me")
    applied = answer.headers["x-steering-profile"]
    (line,) = logged(server.folder / "requests.jsonl", "find-me")
    assert (line["status"], line["complete"], line["steering"]) == (200, True, applied)

    ours = collector.wait("POST /v1/chat/completions", trace_id)
    theirs = collector.wait("llm_request", trace_id)
    assert theirs.parent_span_id == ours.span_id
    found = {each.key: each.value.string_value for each in ours.attributes}
    assert found["langsteer.steering"] == applied
    assert found["langsteer.request_id"] == "find-me"
