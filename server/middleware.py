"""The ASGI layer between clients and vLLM's own application."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

from starlette.responses import JSONResponse
from starlette.types import ASGIApp, Receive, Scope, Send

from server import channel, scopes
from server.aliases import Aliases
from server.applied import AppliedSteering
from server.body import Body
from server.catalog import Catalog
from server.decide import decide
from server.denial import deny
from server.enforcer import NOT_ENFORCED, Ask, Enforcer
from server.errors import ApiError, BodyTooLargeError
from server.exchange import Exchange, RawHeader
from server.gate import Gate
from server.leases import Leases
from server.metrics import Metrics
from server.monitor.monitor import Monitor
from server.monitor.subject import Subject
from server.monitor.tap import Tap
from server.policy.ruling import Ruling
from server.policy.unheld import unheld
from server.refusal import Refusal
from server.routes import OWN_PATHS, STEERABLE, is_own, makes_no_text
from server.timed import timed
from server.wish import HEADER

_HEADER = HEADER.lower().encode()
# Sent to these, the header of a client that always sends it means nothing: no text is made.
_INERT = (
    *("/v1/responses/", "/v1/messages/count_tokens", OWN_PATHS),
    *("/ping", "/tokenize", "/detokenize", "/v1/load_lora_adapter", "/v1/unload_lora_adapter"),
)

_FORMS = ("multipart/form-data", "application/x-www-form-urlencoded")

# What is applied, nothing where no text is made; and the body as it was asked.
_Decision = tuple[AppliedSteering | None, dict[str, Any]]


class SteeringMiddleware:
    """Turns `steering` into arguments for the engine, or into a 400.

    A request without steering passes untouched: same scope, same bytes, same channels. Under a
    policy that is so only for what makes no text.

    Args:
        app: what comes next.
        catalog: gives the profiles on offer now.
        metrics: where outcomes are counted.
        leases: keeps the profiles of requests in flight loaded.
        refresh: brings the engine's figures up to date; called before /metrics is answered.
        max_strength: largest strength a client may ask for.
        max_body: bytes; a larger body is not rewritten, and if not JSON, not scanned.
        gate: holds requests against a policy; None where there is none.
        monitor: judges the language of answers; None where nobody does.
        aliases: names of models that ask for steering; None where there are none.
        no_reasoning: gives why reasoning cannot be steered apart; "" where it can.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        catalog: Callable[[], Catalog],
        metrics: Metrics,
        leases: Leases,
        refresh: Callable[[], Awaitable[object]],
        max_strength: float,
        max_body: int,
        gate: Gate | None = None,
        monitor: Monitor | None = None,
        aliases: Aliases | None = None,
        no_reasoning: Callable[[], str] = str,
    ) -> None:
        self.app = app
        self._catalog = catalog
        self._metrics = metrics
        self._leases = leases
        self._refresh = refresh
        self._max_strength = max_strength
        self._max_body = max_body
        self._gate = gate
        self._monitor = monitor
        self._aliases = aliases
        self._no_reasoning = no_reasoning
        self._enforcer = Enforcer(metrics)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] == "websocket":
            return await self._websocket(scope, receive, send)
        if scope["type"] != "http":
            return await self.app(scope, receive, send)
        path = scopes.route(scope)
        if path.rstrip("/") == "/metrics":
            await self._refresh()
        try:
            if self._gate is not None:
                self._gate.admit(scope, path)
            if scope["method"] not in {"POST", "PUT", "PATCH"} or is_own(path):
                return await self.app(scope, receive, send)
            await self._read_and_decide(path, scope, receive, send)
        except Refusal as refusal:
            await refusal.response()(scope, receive, send)

    async def _read_and_decide(self, path: str, scope: Scope, receive: Receive, send: Send) -> None:
        content_type = scopes.header(scope, b"content-type")
        media_type = content_type.partition(";")[0].strip().lower()
        form = not Body.is_json(media_type)
        gate = self._gate if self._gate is not None and self._gate.governs(path) else None
        limit = self._max_body if form or (gate and path in STEERABLE) else None
        messages, whole = await channel.read(receive, limit)
        if messages[-1]["type"] == "http.disconnect":
            return None  # nobody is left to answer
        app = self.app if makes_no_text(path) else timed(self.app, self._metrics.handed_on)
        replay = channel.replay(messages, receive)
        raw = b"".join(message.get("body", b"") for message in messages)
        charset = scopes.charset(content_type) if form else ""
        body = Body(raw, media_type, charset) if whole else None
        if media_type in _FORMS and not whole and not makes_no_text(path):
            # It may ask for steering where nobody has looked.
            error: ApiError = BodyTooLargeError(
                f"the form has more than {self._max_body} bytes, which is as much as is searched "
                "for steering (LANGSTEER_MAX_BODY_MB)",
                reason="too_large",
            )
            return await self._refuse(error, "", scope, receive, send)
        ruling: Ruling | None = None
        decision: _Decision | None = None
        if gate is not None:
            ruling, fields = gate.rule(scope, path, body)
            if ruling.applied is not None:
                decision = ruling.applied, cast(dict[str, Any], fields)
        if ruling is None or path not in STEERABLE:
            try:
                decision = self._decide(path, scope, body)
            except ApiError as error:
                rule = ruling.rule if ruling is not None else ""
                return await self._refuse(error, rule, scope, receive, send)
        tap = self._tap(path, scope, send, decision[0] if decision else None, ruling)
        send = tap.send if tap else send
        try:
            if decision is not None:
                applied, fields = decision
                if applied is None:
                    return await app(*channel.replaced(scope, receive, fields, None), send)
                return await self._steered(app, scope, receive, send, applied, fields, ruling, tap)
            if ruling is not None:
                send = Exchange(receive, send, ruling.header(), ruling.always()).send
            return await app(scope, replay, send)
        finally:
            if tap:
                tap.end()

    async def _refuse(
        self, error: ApiError, rule: str, scope: Scope, receive: Receive, send: Send
    ) -> None:
        self._metrics.refused(error.reason)
        await self._refusal(error, rule)(scope, receive, send)

    def _refusal(self, error: ApiError, rule: str) -> JSONResponse:
        """The answer; under a policy it names the rule, "" where none was met yet."""
        if self._gate is not None:
            return Refusal(error, rule).response()
        return JSONResponse(error.to_body(), error.status)

    async def _websocket(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a connection on, unless it asks for what cannot be had over it."""
        try:
            self._decide(scopes.route(scope), scope, None)
        except ApiError as error:
            self._metrics.refused(error.reason)
            return await deny(self._refusal(error, ""), str(error), scope, receive, send)
        if self._gate is not None:
            return await self._gate.websocket(self.app, scope, receive, send)
        return await self.app(scope, receive, send)

    def _tap(
        self,
        path: str,
        scope: Scope,
        send: Send,
        applied: AppliedSteering | None,
        ruling: Ruling | None,
    ) -> Tap | None:
        """What watches the answer, if somebody does."""
        monitor = self._monitor
        if monitor is None or path not in STEERABLE:
            return None
        if applied is None and ruling is None and not monitor.everything:
            return None
        return Tap(send, Subject.of(path, applied, ruling), monitor, scopes.request_id(scope))

    def _decide(self, path: str, scope: Scope, body: Body | None) -> _Decision | None:
        """The steering asked for, and the body without an alias; None where it stays as it is."""
        header = () if path.startswith(_INERT) else scopes.headers(scope, _HEADER)
        asks = body is not None and (
            body.suspicious() or (self._aliases is not None and body.names_colon())
        )
        if not header and not asks:
            return None
        sent: Any = body.parse() if body is not None and (asks or path in STEERABLE) else None
        catalog = self._catalog()
        fields = self._aliases.read(sent, path, catalog) if self._aliases is not None else sent
        applied = decide(
            path=path,
            header=header,
            body=fields,
            catalog=catalog,
            max_strength=self._max_strength,
            no_reasoning=self._no_reasoning(),
        )
        if applied is None and fields is sent:
            return None
        if body is not None and len(body.raw) > self._max_body:
            raise BodyTooLargeError(
                f"the body has {len(body.raw)} bytes; one that asks for steering may have "
                f"{self._max_body} (LANGSTEER_MAX_BODY_MB)",
                reason="too_large",
            )
        return applied, fields

    async def _steered(
        self,
        app: ASGIApp,
        scope: Scope,
        receive: Receive,
        send: Send,
        applied: AppliedSteering,
        fields: dict[str, Any],
        ruling: Ruling | None,
        tap: Tap | None,
    ) -> None:
        told = ruling.header() if ruling else applied.header()
        exchange = Exchange(receive, send, told, ruling.always() if ruling else ())

        async def ask(applied: AppliedSteering, send: Send) -> None:
            request = applied.request()
            await app(*channel.replaced(scope, exchange.receive, fields, request), send)

        hashes = applied.hashes()
        # Nothing was awaited since the catalogue was read: what it offered is still loaded.
        self._leases.take(hashes)
        try:
            if ruling is not None and ruling.terms is not None and ruling.terms.enforce:
                path = scopes.route(scope)
                applied = await self._enforced(ask, exchange, ruling, fields, path, tap)
            else:
                await ask(applied, exchange.send)
        except asyncio.CancelledError:
            exchange.cancel()
            raise
        finally:
            self._leases.give_back(hashes)
            self._metrics.finished(applied.labels(), exchange.outcome)

    async def _enforced(
        self,
        ask: Ask,
        exchange: Exchange,
        ruling: Ruling,
        fields: dict[str, Any],
        path: str,
        tap: Tap | None,
    ) -> AppliedSteering:
        """Ask, and ask again where the answer is in the wrong language; what was served."""
        applied, terms = ruling.applied, ruling.terms
        assert applied is not None
        assert terms is not None

        def chosen(served: AppliedSteering, more: list[RawHeader]) -> None:
            now = replace(ruling, applied=served)
            exchange.tell(now.header(), more)
            if tap is not None:
                tap.subject = Subject.of(path, served, now)

        if why := unheld(fields):
            chosen(applied, [(NOT_ENFORCED, f"no; reason={why}".encode())])
            await ask(applied, exchange.send)
            return applied
        return await self._enforcer.serve(
            ask,
            exchange,
            applied=applied,
            promise=Subject.of(path, applied, ruling).promise,
            strengths=terms.enforce,
            on=terms.enforce_on,
            policy=ruling.rule,
            chosen=chosen,
        )
