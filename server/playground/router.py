"""Serves the playground: a page, its style and its scripts, all from this package."""

from __future__ import annotations

from importlib.resources import files
from string import Template

from fastapi import APIRouter, FastAPI, HTTPException, Response

from server.own_route import answer_heads
from server.routes import PAGES

_PAGE = "page.html"
_TYPES = {"html": "text/html", "css": "text/css", "js": "text/javascript"}
# Where the slider ends: beyond, text only repeats itself. The field beside it goes on.
_COARSE = 3.0
_LEAST_STRENGTH = 0.05
# Whatever a model writes, nothing but our own files is run, and nobody else is talked to.
_HEADERS = {
    "Content-Security-Policy": "; ".join(
        (
            "default-src 'none'",
            *(f"{kind}-src 'self'" for kind in ("script", "style", "connect")),
            *(f"{what} 'none'" for what in ("base-uri", "form-action", "frame-ancestors")),
            "require-trusted-types-for 'script'",
            "trusted-types 'none'",
        )
    ),
    "Cache-Control": "no-cache",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
}


def attach(app: FastAPI, max_strength: float) -> None:
    """Add the page to `app`.

    Args:
        app: vLLM's application; its API-key check does not cover the page, which is the same for
            everybody and asks for a key itself.
        max_strength: the largest strength the server allows.
    """
    contents = _read(max_strength)
    router = APIRouter(prefix=PAGES, include_in_schema=False)

    @router.get("")
    async def page() -> Response:
        return _response(_PAGE, contents[_PAGE])

    @router.get("/{name}")
    async def file(name: str) -> Response:
        if name not in contents or name == _PAGE:
            raise HTTPException(404)
        return _response(name, contents[name])

    answer_heads(router)
    app.include_router(router)


def _read(max_strength: float) -> dict[str, str]:
    """Every file by its name, the page with the server's bounds in it."""
    found = {
        each.name: each.read_text(encoding="utf-8")
        for each in (files("server.playground") / "static").iterdir()
        if each.name.rpartition(".")[2] in _TYPES
    }
    found[_PAGE] = Template(found[_PAGE]).substitute(
        least=f"{min(_LEAST_STRENGTH, max_strength):g}",
        strength=f"{min(1.0, max_strength):g}",
        most=f"{max_strength:g}",
        coarse=f"{min(_COARSE, max_strength):g}",
    )
    return found


def _response(name: str, content: str) -> Response:
    return Response(content, media_type=_TYPES[name.rpartition(".")[2]], headers=_HEADERS)
