"""What an ASGI scope says of a request."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from starlette import formparsers
from starlette.types import Scope

# As vLLM takes it over; a line break, or a megabyte, is not to get into logs.
_ID = re.compile(r"[!-~]{1,128}")


def route(scope: Scope) -> str:
    """The path without the root path, the way Starlette's router sees it."""
    path: str = scope["path"]
    root: str = scope.get("root_path", "").rstrip("/")
    return path[len(root) :] if root and path.startswith(root + "/") else path


def header(scope: Scope, name: bytes) -> str:
    """The first value of a header, "" where it was not sent; `name` in small letters."""
    return next(iter(headers(scope, name)), "")


def headers(scope: Scope, name: bytes) -> tuple[str, ...]:
    """Every value of a header; `name` in small letters."""
    return tuple(value.decode("latin-1") for key, value in scope["headers"] if key == name)


def request_id(scope: Scope) -> str:
    """The client's X-Request-Id, or the one that was made for it; "" where it is unfit for logs."""
    sent = header(scope, b"x-request-id")
    return sent if _ID.fullmatch(sent) else ""


def api_keys(scope: Scope) -> tuple[str, ...]:
    """Every API key a request came with, as vLLM reads `Authorization`, or in `X-Api-Key`."""
    return keys_in(headers(scope, b"x-api-key"), headers(scope, b"authorization"))


def keys_in(own: Iterable[str], authorization: Iterable[str]) -> tuple[str, ...]:
    """The API keys in values of `X-Api-Key` and of `Authorization`."""
    found = list(own)
    for value in authorization:
        scheme, _, key = value.partition(" ")
        if scheme.lower() == "bearer":
            found.append(key)
    return tuple(key for key in found if key)


def charset(content_type: str) -> str:
    """The charset that Starlette will read a form by, in small letters; "" for none."""
    # Its own parser, so that no two readings of one header differ; None where it reads no forms.
    parse: Any = getattr(formparsers, "parse_options_header", None)
    options = parse(content_type)[1] if parse else {}
    found: bytes = options.get(b"charset", b"")
    return found.decode("latin-1").strip().lower()


def content_length(scope: Scope) -> int | None:
    """How many bytes the body has; None where it is known only once all of it was read."""
    # Whole numbers of a length that no body has would take Python long, or raise.
    declared = header(scope, b"content-length").strip()[:30]
    if not (declared.isascii() and declared.isdigit()) or header(scope, b"transfer-encoding"):
        return None
    return int(declared)


def resized(scope: Scope, length: int) -> Scope:
    """The scope of a request whose body was replaced by one of `length` bytes."""
    stale = {b"content-length", b"transfer-encoding"}
    headers = [(key, value) for key, value in scope["headers"] if key not in stale]
    return {**scope, "headers": [*headers, (b"content-length", str(length).encode())]}
