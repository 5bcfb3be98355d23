"""An OpenAI server with steering that lives as long as a test, for real clients to talk to."""

from __future__ import annotations

import asyncio
import json
import threading
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from typing import Any

import uvicorn
from fastapi import FastAPI, Request
from fastapi.responses import JSONResponse, Response, StreamingResponse

from server import identification
from server.playground import router

PLAIN = "Outside it was raining, and the street lay there in the grey light of the morning. "
STEERED = {
    "de": "Draußen regnete es, und die Straße lag im grauen Licht des Morgens vor ihr. ",
    "ar": "كان المطر يهطل في الخارج، وكان الشارع هادئا في ضوء الصباح الرمادي. ",
}
# With an alias of the first, as a server with --model-aliases lists it.
MODELS: tuple[dict[str, str | None], ...] = (
    {"id": "tiny", "parent": None},
    {"id": "other"},
    {"id": "adapter", "parent": "tiny"},
    {"id": "tiny:de", "parent": "tiny"},
)


class FakeOpenAI:
    """Answers as vLLM with langsteer would, and remembers what it was asked.

    Attributes:
        key: what it asks for; "" for nothing.
        languages: of its profiles.
        chats: whether its model has a chat template.
        answer: what it writes whatever is asked; None for text in the language asked for.
        pause: seconds between tokens.
        breaks: an event that is sent in the place of a stream's end; None for none.
        asked: (path, Authorization, body) of each request for text.
        left: how many clients left in the middle of a stream.
    """

    def __init__(self) -> None:
        self.url = ""
        self.key = ""
        self.languages = ["de", "ar", "zh"]
        self.chats = True
        self.answer: str | None = None
        self.pause = 0.0
        self.breaks: dict[str, Any] | None = None
        self.asked: list[tuple[str, str, dict[str, Any]]] = []
        self.left = 0
        self.app = FastAPI()
        self.app.middleware("http")(self._check)
        self.app.get("/v1/models")(self._models)
        self.app.get("/v1/steering/profiles")(self._profiles)
        self.app.post("/tokenize")(self._tokenize)
        self.app.post("/v1/completions")(self._complete)
        self.app.post("/v1/chat/completions")(self._complete)
        self.app.include_router(identification.router())
        router.attach(self.app, 2.0)

    async def _check(self, request: Request, go_on: Any) -> Response:
        given = request.headers.get("authorization")
        if self.key and request.url.path.startswith("/v1") and given != f"Bearer {self.key}":
            return JSONResponse({"error": "Unauthorized"}, 401)
        answer: Response = await go_on(request)
        return answer

    async def _models(self) -> dict[str, Any]:
        return {"object": "list", "data": [*MODELS]}

    async def _profiles(self) -> dict[str, Any]:
        data = [
            {"language": tag, "edits": {"target": {}, "suppress": {}}} for tag in self.languages
        ]
        return {"object": "list", "data": data}

    async def _tokenize(self) -> JSONResponse:
        if self.chats:
            return JSONResponse({"tokens": [1]})
        return JSONResponse({"error": {"message": "no chat template"}}, 400)

    async def _complete(self, request: Request) -> Response:
        body = await request.json()
        path = request.url.path
        self.asked.append((path, request.headers.get("authorization", ""), body))
        steering = body.get("steering") or {}
        target = steering.get("target")
        wrong = {target, *steering.get("suppress", ())} - {None, *self.languages}
        if wrong:
            message = f"steering.target is {wrong.pop()!r}; available are {self.languages}"
            return JSONResponse({"error": {"message": message, "code": 400}}, 400)
        text = self.answer or STEERED.get(target, PLAIN) * 3
        headers = {}
        if steering:
            headers["X-Steering-Profile"] = f"{target or '-'}@1a2b3c4d5e6f; strength=1; phase=all"
        chat = "messages" in body
        if not body.get("stream"):
            choice = {"message": {"role": "assistant", "content": text}} if chat else {"text": text}
            choice |= {"index": 0, "finish_reason": "stop"}
            whole = {"id": "c", "object": "o", "created": 1, "model": "tiny", "choices": [choice]}
            return JSONResponse(whole, headers=headers)
        events = self._stream(text, chat=chat)
        return StreamingResponse(events, media_type="text/event-stream", headers=headers)

    async def _stream(self, text: str, *, chat: bool) -> AsyncIterator[bytes]:
        pieces = [text[start : start + 7] for start in range(0, len(text), 7)]
        done = False
        try:
            for piece in pieces:
                choice = {"delta": {"content": piece}} if chat else {"text": piece}
                yield _event({"choices": [{"index": 0, **choice}]})
                await asyncio.sleep(self.pause)
            if self.breaks:
                yield _event(self.breaks)
            yield _event({"choices": [], "usage": {"completion_tokens": len(pieces)}})
            yield b"data: [DONE]\n\n"
            done = True
        finally:
            self.left += not done


def _event(value: dict[str, Any]) -> bytes:
    return b"data: " + json.dumps(value, ensure_ascii=False).encode() + b"\n\n"


@contextmanager
def running() -> Iterator[FakeOpenAI]:
    """One, on a port of its own."""
    fake = FakeOpenAI()
    config = uvicorn.Config(fake.app, port=0, log_level="error", lifespan="off", ws="none")
    server = uvicorn.Server(config)
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        deadline = time.monotonic() + 20
        while not server.started:
            assert time.monotonic() < deadline
            time.sleep(0.01)
        port = server.servers[0].sockets[0].getsockname()[1]
        fake.url = f"http://127.0.0.1:{port}"
        yield fake
    finally:
        server.should_exit = True
        thread.join()
