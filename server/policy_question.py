"""A request as somebody describes it, ready for a policy to decide."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from profiles import store
from profiles.errors import ProfileError
from profiles.ready.folder import profile_folder
from server.aliases import Aliases
from server.body import Body
from server.catalog import Catalog, Entry
from server.policy.asked import Asked
from server.policy.book import Book
from server.policy.case import Case
from server.routes import STEERABLE
from server.wish import HEADER
from server.yamlfile.problem import FileError, Problem


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
    keys: Sequence[str],
    model: str,
    route: str,
    headers: Sequence[tuple[str, str]],
    body: bytes,
    max_strength: float,
    aliases: Aliases | None = None,
    no_reasoning: str = "",
) -> Case:
    """The case of a request.

    Args:
        book, catalog: policy and profiles.
        tenant: whose it is; or
        keys: the API keys it comes with.
        model: what a body without `model` means; "" if unknown.
        route: its path.
        headers: names, in any case, and values.
        body: JSON.
        max_strength: the largest strength the server allows.
        aliases: as the server reads them; None where it has none.
        no_reasoning: why reasoning cannot be steered apart on the server; "" where it can.

    Raises:
        FileError: the policy has no such tenant.
        ApiError: the body is not JSON, or its model is an alias of no language.
    """
    if tenant is not None and tenant not in book.tenants.names:
        known = ", ".join(book.tenants.names) or "none"
        text = f"there is no tenant {tenant}; known are {known}"
        raise FileError([Problem(place="tenants", line=0, text=text)])
    tenants = frozenset({tenant} if tenant else ()) | book.tenants.named_by(keys)
    sent = [(name.strip().lower(), value.strip()) for name, value in headers]
    fields = Body(body, "application/json").parse(strict=True) if route in STEERABLE else None
    if aliases is not None:
        fields = aliases.read(fields, route, catalog)
    asked = Asked(
        route=route,
        tenants=tenants,
        target_header=tuple(value for name, value in sent if name == HEADER.lower()),
        accept_language=tuple(value for name, value in sent if name == "accept-language"),
        body=fields,
    )
    return Case(
        book,
        asked,
        catalog,
        max_strength=max_strength,
        default_model=model,
        no_reasoning=no_reasoning,
    )
