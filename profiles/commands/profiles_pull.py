"""`langsteer profiles pull`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from profiles.commands.common import Json, reported
from profiles.commands.sharing_options import (
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


def pull(
    address: Address,
    into: Annotated[
        Path, typer.Option(help="Folder to put them into; made where missing.", file_okay=False)
    ],
    languages: Chosen = None,
    model: OfModel = None,
    key: Key = None,
    force: Annotated[
        bool, typer.Option("--force", help="Replace other versions of them, and damaged files.")
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Fetch and check, write nothing.")
    ] = False,
    offline: Offline = False,
    allow_host: AllowHost = None,
    as_json: Json = False,
) -> None:
    """Fetch profiles into a folder: all of them checked first, each written whole or not at all.

    What was fetched half goes on where it stopped. A folder with `profiles.pub` takes only what is
    signed with that key.
    """
    with reported("profiles pull"), opened(address, offline, allow_host, as_json) as source:
        from profiles.sharing.facts import change_facts
        from profiles.sharing.pull import pull as fetch
        from profiles.sharing.screen import show_changes

        changes = fetch(
            source,
            into,
            languages=languages_of(languages),
            keys=keys_of(key),
            expect=identity_of(model),
            force=force,
            dry_run=dry_run,
        )
        listing = source.listing()
        rows = [change_facts(change) for change in changes]
        if as_json:
            facts = {
                "address": listing.address,
                "revision": listing.revision,
                "folder": str(into),
                "dry_run": dry_run,
                "profiles": rows,
            }
            typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))
            return
        verb = "Would pull" if dry_run else "Pulled"
        show_changes(verb, f"{listing.label} into {into}", rows)
