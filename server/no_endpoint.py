"""What is answered below our own paths where there is no endpoint, or none of that method."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from fastapi import Request, Response
from fastapi.responses import JSONResponse
from starlette.routing import BaseRoute, Match, Route
from starlette.types import Scope

from server import scopes
from server.errors import ApiError, MethodError, NoEndpointError
from server.shown import shown


class NoEndpoint(Route):
    """The last route below a prefix: says what there is, where the framework would say little.

    Args:
        prefix: of our paths, with the slash at its end.
        endpoints: the routes below it.
        absent: why there is nothing at a path and below it, by the path.
    """

    def __init__(
        self, prefix: str, endpoints: Sequence[Route], absent: Mapping[str, str] | None = None
    ) -> None:
        # A method, which has a name: vLLM logs it at start-up.
        super().__init__(f"{prefix}{{rest:path}}", self._answer, include_in_schema=False)
        self.methods = None  # any
        self._prefix = prefix
        self._endpoints = endpoints
        self._absent = absent or {}

    def matches(self, scope: Scope) -> tuple[Match, Scope]:
        """Whatever is below the prefix, but for what the router redirects to an endpoint."""
        if scope["type"] != "http":
            return Match.NONE, {}
        path = scopes.route(scope)
        if not f"{path}/".startswith(self._prefix) or self._is_redirected(scope):
            return Match.NONE, {}
        return Match.FULL, {"endpoint": self.endpoint, "path_params": {}}

    def _is_redirected(self, scope: Scope) -> bool:
        path: str = scope["path"]
        return path.endswith("/") and bool(self._at({**scope, "path": path.rstrip("/")}))

    def _at(self, scope: Scope) -> list[Route]:
        return [each for each in self._endpoints if each.matches(scope)[0] is not Match.NONE]

    async def _answer(self, request: Request) -> Response:
        error = self._error(request.scope)
        return JSONResponse(error.to_body(), error.status, dict(error.headers))

    def _error(self, scope: Scope) -> ApiError:
        path = scopes.route(scope)
        if allowed := {method for each in self._at(scope) for method in each.methods or ()}:
            allow = ", ".join(sorted(allowed))
            return MethodError(
                f"{shown(path)} does not take {shown(scope['method'])}; it takes {allow}",
                reason="unsupported_path",
                headers={"allow": allow},
            )
        for place, why in self._absent.items():
            if path == place or path.startswith(f"{place}/"):
                return NoEndpointError(f"there is no {place}: {why}", reason="unsupported_path")
        known = ", ".join(
            f"{method} {each.path}"
            for each in self._endpoints
            if each.include_in_schema
            for method in sorted(each.methods or ())
        )
        text = f"there is no {shown(path)}; there are {known}"
        return NoEndpointError(text, reason="unsupported_path")


def routes_below(prefix: str, routes: Sequence[BaseRoute]) -> list[Route]:
    """Those of `routes` whose paths begin with `prefix`."""
    return [each for each in routes if isinstance(each, Route) and each.path.startswith(prefix)]
