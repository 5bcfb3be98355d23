"""The policy at the server's door: every request that may make text meets a rule first."""

from __future__ import annotations

from collections.abc import Callable

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server import scopes
from server.aliases import Aliases
from server.body import Body
from server.catalog import Catalog
from server.denial import deny
from server.errors import ApiError, BodyTooLargeError, ForbiddenError
from server.metrics import Metrics
from server.policy.asked import Asked
from server.policy.book import Book
from server.policy.case import Case
from server.policy.ruling import Ruling
from server.refusal import Refusal
from server.routes import STEERABLE, makes_no_text, operates_steering
from server.wish import HEADER as TARGET


class Gate:
    """Holds requests against the policy in force.

    Args:
        book: gives the policy now.
        catalog: gives the profiles on offer now.
        metrics: where rulings are counted.
        default_model: gives what a request without `model` means; "" while that is unknown.
        max_strength: the largest strength the server allows.
        max_body: bytes a request may have.
        aliases: names of models that ask for steering; None where there are none.
        no_reasoning: gives why reasoning cannot be steered apart; "" where it can.
    """

    def __init__(
        self,
        book: Callable[[], Book],
        *,
        catalog: Callable[[], Catalog],
        metrics: Metrics,
        default_model: Callable[[], str],
        max_strength: float,
        max_body: int,
        aliases: Aliases | None = None,
        no_reasoning: Callable[[], str] = str,
    ) -> None:
        self._book = book
        self._catalog = catalog
        self._metrics = metrics
        self._default_model = default_model
        self._max_strength = max_strength
        self._max_body = max_body
        self._aliases = aliases
        self._no_reasoning = no_reasoning

    @staticmethod
    def governs(path: str) -> bool:
        """Whether a rule is applied to requests there."""
        return not makes_no_text(path)

    def admit(self, scope: Scope, path: str) -> None:
        """Keep tenants from operating the server: one could unload what its rule demands.

        They may read the profiles and have a text's language identified, which operates nothing.

        Raises:
            Refusal: it is an operator's endpoint, and the key is a tenant's.
        """
        if not operates_steering(scope["method"], path):
            return
        if self._book().tenants.named_by(scopes.api_keys(scope)):
            error = ForbiddenError(
                "this endpoint is for operators: use a key that belongs to no tenant",
                reason="forbidden",
            )
            raise self._refused(error, "")

    def rule(self, scope: Scope, path: str, body: Body | None) -> tuple[Ruling, object]:
        """(what the policy decides, the parsed body where it was read, without an alias).

        Args:
            scope: of the request.
            path: its route.
            body: all of it; None where it is larger than what is read, or there is none.

        Raises:
            Refusal: it is not served.
        """
        case: Case | None = None
        try:
            fields = self._parsed(body) if path in STEERABLE else None
            # Read once: one request sees one policy, whatever is loaded meanwhile.
            book, catalog = self._book(), self._catalog()
            if self._aliases is not None:
                fields = self._aliases.read(fields, path, catalog)
            asked = Asked(
                route=path,
                tenants=book.tenants.named_by(scopes.api_keys(scope)),
                target_header=scopes.headers(scope, TARGET.lower().encode()),
                accept_language=scopes.headers(scope, b"accept-language"),
                body=fields,
            )
            case = Case(
                book,
                asked,
                catalog,
                max_strength=self._max_strength,
                default_model=self._default_model(),
                no_reasoning=self._no_reasoning(),
            )
            ruling = case.rule()
        except ApiError as error:
            raise self._refused(error, case.clause.name if case and case.clause else "") from error
        self._metrics.ruled(ruling.rule, ruling.result)
        return ruling, fields

    async def websocket(self, app: ASGIApp, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass a connection on, or refuse it: what is said over it cannot be steered."""
        path = scopes.route(scope)
        try:
            ruling, _ = self.rule(scope, path, None)
        except Refusal as refusal:
            return await deny(refusal.response(), str(refusal), scope, receive, send)

        async def told(message: Message) -> None:
            if message["type"] == "websocket.accept":
                added = [*message.get("headers", ()), *ruling.always()]
                message = {**message, "headers": added}
            await send(message)

        return await app(scope, receive, told)

    def _parsed(self, body: Body | None) -> object:
        if body is None or len(body.raw) > self._max_body:
            raise BodyTooLargeError(
                f"the body has more than {self._max_body} bytes, which is as much as is read where "
                "a policy is in force (LANGSTEER_MAX_BODY_MB)",
                reason="too_large",
            )
        return body.parse(strict=True)

    def _refused(self, error: ApiError, rule: str) -> Refusal:
        self._metrics.refused(error.reason)
        self._metrics.ruled(rule, "refused")
        return Refusal(error, rule)
