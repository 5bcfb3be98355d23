"""The outermost layer: gives requests an id, and tells log and traces what became of them."""

from __future__ import annotations

from opentelemetry import propagate, trace
from opentelemetry.trace import SpanKind, Status, StatusCode, Tracer
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import scopes
from server.request_log import RequestLog
from server.request_record import REQUEST_ID, RequestRecord, template
from server.routes import makes_no_text, operates_steering

_CHANGES = {"POST", "PUT", "PATCH", "DELETE"}


class Observed:
    """Records requests that may make text, and operators' changes; the others pass untouched.

    Where vLLM exports traces (`--otlp-traces-endpoint`) each is a span, and vLLM's own becomes its
    child. Without that and without a log nothing is recorded, and nothing changed.

    Args:
        app: what comes next.
        log: the request log; None where there is none.
        tracer: makes spans; by default that of vLLM's provider, once it has set one.
    """

    def __init__(
        self,
        app: ASGIApp,
        *,
        log: RequestLog | None,
        tracer: Tracer | None = None,
    ) -> None:
        self.app = app
        self._log = log
        self._tracer = tracer

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http" or scope["method"] not in _CHANGES:
            return await self.app(scope, receive, send)
        path = scopes.route(scope)
        if makes_no_text(path) and not operates_steering(scope["method"], path):
            return await self.app(scope, receive, send)
        span = self._span(scope, path)
        if self._log is None and not span.is_recording():
            return await self.app(scope, receive, send)
        return await self._recorded(scope, receive, send, span)

    def _span(self, scope: Scope, path: str) -> trace.Span:
        """A span that goes on from the client's; one that records nothing where nobody traces."""
        tracer = self._tracer
        if tracer is None:
            # vLLM sets it while it starts, after this layer was made.
            provider = trace.get_tracer_provider()
            if isinstance(provider, trace.ProxyTracerProvider):
                return trace.INVALID_SPAN
            tracer = self._tracer = provider.get_tracer("langsteer")
        carrier = {
            key.decode("latin-1"): value.decode("latin-1") for key, value in scope["headers"]
        }
        return tracer.start_span(
            f"{scope['method']} {route}" if (route := template(path)) else scope["method"],
            context=propagate.extract(carrier),
            kind=SpanKind.SERVER,
        )

    async def _recorded(self, scope: Scope, receive: Receive, send: Send, span: trace.Span) -> None:
        record = RequestRecord(scope)
        identified = record.request_id.encode("ascii")

        async def seen(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = list(message.get("headers", ()))
                if not any(key.lower() == REQUEST_ID for key, _ in headers):
                    headers.append((REQUEST_ID, identified))
                message = {**message, "headers": headers}
            await send(message)
            # What could not be handed over raised, and was not seen by the client either.
            record.see(message)

        added = {"x-request-id": record.request_id}
        if span.is_recording():
            # Traces are the headers' business all the way: vLLM reads them from its request.
            propagate.inject(added, trace.set_span_in_context(span))
        names = {name.encode() for name in added}
        kept = [(key, value) for key, value in scope["headers"] if key not in names]
        extra = [(name.encode(), value.encode("latin-1")) for name, value in added.items()]
        try:
            await self.app({**scope, "headers": [*kept, *extra]}, receive, seen)
        except Exception as error:
            span.record_exception(error)
            span.set_status(Status(StatusCode.ERROR))
            raise
        finally:
            span.set_attributes(record.attributes())
            if record.failed:
                span.set_status(Status(StatusCode.ERROR))
            span.end()
            if self._log is not None and record.worth_a_line:
                self._log.note(record)
