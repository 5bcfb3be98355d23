"""A request as the command line describes it, ready for a policy to decide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from profiles import store
from profiles.errors import ProfileError
from profiles.ready.folder import profile_folder
from server.aliases import Aliases
from server.body import Body
from server.catalog import Catalog, Entry
from server.errors import ApiError
from server.policy.asked import Asked
from server.policy.book import Book
from server.policy.case import Case
from server.routes import STEERABLE
from server.wish import HEADER
from server.yamlfile.problem import FileError, Problem
from steering.request import MAX_STRENGTH


def catalog_of(folder: Path) -> Catalog:
    """The profiles of a folder, of whatever model.

    Raises:
        ProfileError: there is none, or a file is bad.
    """
    place = profile_folder(folder)
    files = sorted(place.glob(f"*{store.SUFFIX}"))
    if not files:
        raise ProfileError(f"{place} holds no profile files")
    found = [(path, store.read(path)) for path in files]
    return Catalog(
        Entry(name=profile.language, profile=profile, created="", loaded_at=0)
        for _, profile in found
    )


def question(
    book: Book,
    catalog: Catalog,
    *,
    tenant: str | None,
    key: str | None,
    model: str,
    route: str,
    headers: Sequence[str],
    body: bytes,
    served: Sequence[str] = (),
) -> Case:
    """The case of a request.

    Args:
        book, catalog: policy and profiles.
        tenant: whose it is; or
        key: the API key it comes with.
        model: what a body without `model` means; "" if unknown.
        route: its path.
        headers: as "Name: value".
        body: JSON.
        served: names of the model that have aliases, as with `serve --model-aliases`.

    Raises:
        FileError: the policy has no such tenant.
        ApiError: the body is not JSON, its model is an alias of no language, or a header has no
            colon.
    """
    if tenant is not None and tenant not in book.tenants.names:
        known = ", ".join(book.tenants.names) or "none"
        text = f"there is no tenant {tenant}; known are {known}"
        raise FileError([Problem(place="tenants", line=0, text=text)])
    tenants = frozenset({tenant} if tenant else ()) | book.tenants.named_by([key] if key else ())
    sent: list[tuple[str, str]] = []
    for line in headers:
        name, colon, value = line.partition(":")
        if not colon:
            raise ApiError(f"--header {line!r} is not 'Name: value'", reason="bad_value")
        sent.append((name.strip().lower(), value.strip()))
    fields = Body(body, "application/json").parse(strict=True) if route in STEERABLE else None
    asked = Asked(
        route=route,
        tenants=tenants,
        target_header=tuple(value for name, value in sent if name == HEADER.lower()),
        accept_language=tuple(value for name, value in sent if name == "accept-language"),
        body=Aliases(lambda: served, lambda: ()).read(fields, route, catalog),
    )
    return Case(book, asked, catalog, max_strength=MAX_STRENGTH, default_model=model)
