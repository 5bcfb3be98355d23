"""`langsteer profiles list`, `show`, `verify` and `diff`."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from profiles.commands.common import Json, reported
from profiles.commands.sharing_options import (
    ADDRESS,
    Address,
    AllowHost,
    Chosen,
    Key,
    Offline,
    OfModel,
    identity_of,
    keys_of,
    languages_of,
    opened,
)

if TYPE_CHECKING:
    from profiles.sharing.artefact import Artefact
    from profiles.sharing.source import Source


def list_(
    address: Annotated[str, typer.Argument(metavar="[ADDRESS]", help=ADDRESS)] = "ready",
    languages: Chosen = None,
    offline: Offline = False,
    allow_host: AllowHost = None,
    as_json: Json = False,
) -> None:
    """The profiles of a place, a line each; the ready-made ones by default."""
    with reported("profiles list"), opened(address, offline, allow_host, as_json) as source:
        from profiles.errors import LangsteerError
        from profiles.sharing.artefact import read_artefact
        from profiles.sharing.facts import artefact_facts
        from profiles.sharing.pull import choose
        from profiles.sharing.screen import show_list

        rows, bad = [], []
        for file in choose(source, languages_of(languages)):
            try:
                rows.append(artefact_facts(read_artefact(source, file)))
            except LangsteerError as error:
                bad.append(str(error))
        listing = source.listing()
        if as_json:
            facts = {"address": listing.address, "revision": listing.revision}
            typer.echo(_json({**facts, "profiles": rows, "bad": bad}))
        else:
            show_list(listing.label, rows, bad)


def show(
    address: Address,
    language: Annotated[
        str | None, typer.Argument(metavar="[LANGUAGE]", help="Of a place with several.")
    ] = None,
    offline: Offline = False,
    allow_host: AllowHost = None,
    as_json: Json = False,
) -> None:
    """What one profile holds; `langsteer inspect profile` says what its edits mean, too."""
    with reported("profiles show"), opened(address, offline, allow_host, as_json) as source:
        from profiles.console import show_profile
        from profiles.description import describe
        from profiles.sharing.facts import artefact_facts

        artefact = _one(source, language)
        where = f"{source.listing().label}: {artefact.name}"
        facts = describe(artefact.profile, artefact.created, where)
        told = artefact_facts(artefact)
        facts |= {name: told[name] for name in ("bytes", "sha256", "signed")}
        if as_json:
            typer.echo(_json(facts))
            return
        show_profile(facts)
        signed = "signed" if facts["signed"] else "not signed"
        typer.echo(f"{facts['bytes']} bytes, SHA-256 {facts['sha256']}, {signed}.")


def verify(
    addresses: Annotated[list[str], typer.Argument(metavar="ADDRESS...", help=ADDRESS)],
    languages: Chosen = None,
    model: OfModel = None,
    key: Key = None,
    offline: Offline = False,
    allow_host: AllowHost = None,
    as_json: Json = False,
) -> None:
    """Check digests, format, content hash, the model and signatures; exits with 1 if any is bad.

    A folder with `profiles.pub` demands signatures by that key; --key is what to trust instead.
    """
    with reported("profiles verify"):
        from profiles.sharing.folder_source import FolderSource
        from profiles.sharing.pull import folder_keys
        from profiles.sharing.screen import show_verdicts
        from profiles.sharing.verify import verify as judge

        expect, keys = identity_of(model), keys_of(key)
        rows: list[dict[str, Any]] = []
        for address in addresses:
            with opened(address, offline, allow_host, as_json) as source:
                own = folder_keys(source.folder) if isinstance(source, FolderSource) else None
                found = judge(source, languages_of(languages), keys=keys or own, expect=expect)
                rows += [{"address": source.listing().address, **row} for row in found]
        good = all(row["problem"] is None for row in rows)
        if as_json:
            typer.echo(_json({"good": good, "profiles": rows}))
        else:
            show_verdicts(rows)
        if not good:
            raise typer.Exit(1)


def diff(
    one: Annotated[str, typer.Argument(metavar="ADDRESS", help=ADDRESS)],
    other: Annotated[str, typer.Argument(metavar="ADDRESS", help="To compare with it.")],
    languages: Chosen = None,
    offline: Offline = False,
    allow_host: AllowHost = None,
    as_json: Json = False,
) -> None:
    """What profiles differ in: metadata, figures, edits by layer. Two files, or two places."""
    with (
        reported("profiles diff"),
        opened(one, offline, allow_host, as_json) as first,
        opened(other, offline, allow_host, as_json) as second,
    ):
        from profiles.errors import SharingError
        from profiles.sharing.difference import difference
        from profiles.sharing.pull import read_all
        from profiles.sharing.screen import console, show_difference

        wanted = languages_of(languages)
        mine, its = (
            {a.profile.language: a.profile for a in read_all(place, () if place.only else wanted)}
            for place in (first, second)
        )
        if first.only and second.only:  # of whatever languages
            pairs = [(*mine.values(), *its.values())]
        else:
            pairs = [(mine[tag], its[tag]) for tag in mine if tag in its]
        missing = [] if first.only or second.only else sorted({*mine} ^ {*its})
        if not pairs and not missing:
            raise SharingError(f"{one} and {other} have no language in common")
        facts = [difference(a, b) for a, b in pairs]
        alone = {tag: one if tag in mine else other for tag in missing}
        if as_json:
            typer.echo(_json({"profiles": facts, "only_in": alone}))
            return
        for found in facts:
            show_difference(found)
        for tag, where in alone.items():
            console().print(f"{tag}: only in {where}", markup=False)


def _one(source: Source, language: str | None) -> Artefact:
    from profiles.errors import SharingError
    from profiles.sharing.artefact import read_artefact
    from profiles.sharing.pull import choose

    files = choose(source, languages_of(language))
    if len(files) > 1:
        there = ", ".join(source.listing().languages)
        raise SharingError(f"{source.listing().label} has {there}: say which, after the address")
    return read_artefact(source, files[0])


def _json(facts: dict[str, Any]) -> str:
    return json.dumps(facts, ensure_ascii=False, indent=1)
