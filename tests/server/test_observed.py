from __future__ import annotations

import json
import stat
from pathlib import Path
from typing import Any

import httpx
import pytest
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.trace import StatusCode
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, StreamingResponse
from starlette.routing import Route

from server.observed import Observed
from server.request_log import RequestLog
from server.worker import Worker

TRACE = "4bf92f3577b34da6a3ce929d0e0e4736"
PARENT = f"00-{TRACE}-00f067aa0ba902b7-01"


async def answer(request: Request) -> JSONResponse:
    if request.query_params.get("fail"):
        raise RuntimeError("the engine is gone")
    heard = {key: value for key, value in request.headers.items() if key.startswith(("x-", "trac"))}
    headers = {"X-Steering-Profile": "de@1a; strength=1; phase=all", "X-Steering-Policy": "acme"}
    return JSONResponse(heard, int(request.query_params.get("status", 200)), headers)


async def stream(request: Request) -> StreamingResponse:
    async def parts() -> Any:
        yield b"data: 1\n\n"
        yield b"data: [DONE]\n\n"

    return StreamingResponse(parts(), media_type="text/event-stream")


APP = Starlette(
    routes=[
        Route("/v1/completions", answer, methods=["POST"]),
        Route("/v1/chat/completions", stream, methods=["POST"]),
        Route("/tokenize", answer, methods=["POST"]),
        Route("/v1/steering/profiles/reload", answer, methods=["POST"]),
    ]
)


class Watched:
    """An application under `Observed`, with a log and an exporter to look at."""

    def __init__(self, folder: Path, *, log: bool = True, traces: bool = True) -> None:
        self.file = folder / "requests.jsonl"
        self.lost = 0
        self.log = RequestLog(self.file, self.lose) if log else None
        self.exporter = InMemorySpanExporter()
        provider = TracerProvider()
        provider.add_span_processor(SimpleSpanProcessor(self.exporter))
        tracer = provider.get_tracer("test") if traces else None
        self.app = Observed(APP, log=self.log, tracer=tracer)

    def lose(self) -> None:
        self.lost += 1

    async def post(self, path: str, **headers: str) -> httpx.Response:
        transport = httpx.ASGITransport(self.app)
        async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
            named = {key.replace("_", "-"): value for key, value in headers.items()}
            return await client.post(path, json={}, headers=named)

    def lines(self) -> list[dict[str, Any]]:
        assert self.log is not None
        assert self.log.worker.settle(20)
        return [json.loads(line) for line in self.file.read_text().splitlines()]


@pytest.fixture
def watched(tmp_path: Path) -> Watched:
    return Watched(tmp_path)


async def test_a_line_tells_what_became_of_a_request(watched: Watched) -> None:
    response = await watched.post("/v1/completions", x_request_id="mine-1")
    assert response.headers["x-request-id"] == "mine-1"
    (line,) = watched.lines()
    assert line.pop("time").endswith("+00:00")
    assert 0 <= line.pop("first_byte_seconds") <= line.pop("seconds") < 10
    assert line == {
        "request_id": "mine-1",
        "method": "POST",
        "route": "/v1/completions",
        "status": 200,
        "complete": True,
        "steering": "de@1a; strength=1; phase=all",
        "policy": "acme",
        "verdict": None,
        "attempts": None,
        "bytes": len(response.content),
    }
    assert stat.S_IMODE(watched.file.stat().st_mode) == 0o600


@pytest.mark.parametrize("sent", ["", "two words", "x" * 129, "é"])
async def test_an_id_that_does_not_belong_into_a_log_is_replaced(
    watched: Watched, sent: str
) -> None:
    headers = {"x-request-id": sent.encode("latin-1").decode("latin-1")} if sent else {}
    transport = httpx.ASGITransport(watched.app)
    async with httpx.AsyncClient(transport=transport, base_url="http://server") as client:
        raw = [(key.encode(), value.encode("latin-1")) for key, value in headers.items()]
        response = await client.post("/v1/completions", json={}, headers=raw)
    made = response.headers["x-request-id"]
    assert made != sent
    assert len(made) == 32
    assert response.json()["x-request-id"] == made, "the application hears the one that is told"
    assert watched.lines()[0]["request_id"] == made


async def test_a_span_has_the_steering_and_vllm_goes_on_below_it(watched: Watched) -> None:
    response = await watched.post("/v1/completions", traceparent=PARENT)
    (span,) = watched.exporter.get_finished_spans()
    assert span.name == "POST /v1/completions"
    assert span.attributes is not None
    assert span.attributes["langsteer.steering"] == "de@1a; strength=1; phase=all"
    assert span.attributes["langsteer.policy"] == "acme"
    assert span.attributes["http.response.status_code"] == 200
    assert f"{span.context.trace_id:032x}" == TRACE
    assert response.json()["traceparent"] == f"00-{TRACE}-{span.context.span_id:016x}-01"


async def test_a_stream_is_passed_on_as_it_comes(watched: Watched) -> None:
    response = await watched.post("/v1/chat/completions")
    assert response.text == "data: 1\n\ndata: [DONE]\n\n"
    assert watched.lines()[0]["bytes"] == len(response.content)


async def test_the_servers_fault_is_an_error_and_the_clients_is_none(watched: Watched) -> None:
    await watched.post("/v1/completions?status=400")
    await watched.post("/v1/completions?status=503")
    with pytest.raises(RuntimeError, match="gone"):
        await watched.post("/v1/completions?fail=1")
    codes = [span.status.status_code for span in watched.exporter.get_finished_spans()]
    assert codes == [StatusCode.UNSET, StatusCode.ERROR, StatusCode.ERROR]
    assert [(line["status"], line["complete"]) for line in watched.lines()] == [
        (400, True),
        (503, True),
        (500, True),  # Starlette answers, and then lets the error through
    ]


async def test_operators_changes_are_recorded_and_what_makes_no_text_is_not(
    watched: Watched,
) -> None:
    await watched.post("/tokenize")
    await watched.post("/v1/steering/profiles/reload")
    await watched.post("/what/ever/a/scanner/asks/for")
    assert [line["route"] for line in watched.lines()] == [
        "/v1/steering/profiles/reload",
        "/what/ever/a/scanner/asks/for",
    ]
    names = [span.name for span in watched.exporter.get_finished_spans()]
    assert names == ["POST /v1/steering/profiles/reload", "POST"]


async def test_without_log_and_traces_nothing_is_touched(tmp_path: Path) -> None:
    plain = Watched(tmp_path, log=False, traces=False)
    response = await plain.post("/v1/completions", traceparent=PARENT)
    assert "x-request-id" not in response.headers
    assert response.json() == {"traceparent": PARENT}


async def test_lines_there_is_no_room_for_are_counted(tmp_path: Path) -> None:
    watched = Watched(tmp_path)
    watched.log = RequestLog(watched.file, watched.lose, Worker(limit=0))
    watched.app = Observed(APP, log=watched.log)
    await watched.post("/v1/completions")
    assert watched.lost == 1


async def test_a_path_is_cut_and_who_has_no_key_leaves_no_line(watched: Watched) -> None:
    """Or anybody could fill the disk."""
    await watched.post("/v1/completions?status=401")
    await watched.post("/" + "z" * 5000)
    (line,) = watched.lines()
    assert (line["status"], len(line["route"])) == (404, 200)
    spans = watched.exporter.get_finished_spans()
    assert [span.name for span in spans] == ["POST /v1/completions", "POST"]
    assert spans[1].attributes is not None
    assert "http.route" not in spans[1].attributes


async def test_a_profiles_name_is_in_no_spans_name(watched: Watched) -> None:
    for path in ("profiles/de/load", "profiles/reload"):
        await watched.post(f"/v1/steering/{path}")
    assert [span.name for span in watched.exporter.get_finished_spans()] == [
        "POST /v1/steering/profiles/{name}/load",
        "POST /v1/steering/profiles/reload",
    ]


async def test_lines_that_cannot_be_written_are_counted(watched: Watched, tmp_path: Path) -> None:
    watched.log = RequestLog(tmp_path / "no" / "log", watched.lose)
    watched.app = Observed(APP, log=watched.log)
    await watched.post("/v1/completions")
    assert watched.log.worker.settle(20)
    assert watched.lost == 1
