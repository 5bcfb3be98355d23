"""`langsteer profiles push`."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from profiles.commands.common import Json, reported, stages
from profiles.commands.profiles_sign import signer_of
from profiles.commands.sharing_options import Chosen, SecretKey, languages_of, opened

if TYPE_CHECKING:
    from profiles.profile import ModelIdentity
    from profiles.sharing.push import Draw, Pushed
    from profiles.sharing.target import Target

_CARD = "Card"


def push(
    folder: Annotated[
        str, typer.Argument(metavar="FOLDER", help="Of profile files, one file, or `ready`.")
    ],
    to: Annotated[
        str,
        typer.Argument(
            metavar="TO",
            help="A folder, or hf://owner/repo@branch/folder (@… and /… may be left out).",
        ),
    ],
    licence: Annotated[
        str,
        typer.Option(
            "--licence",
            "--license",
            help="Of the profiles, as the Hub writes it: apache-2.0, cc-by-4.0, gemma, other.",
            rich_help_panel=_CARD,
        ),
    ],
    licence_link: Annotated[
        str | None, typer.Option(help="Where its text is.", rich_help_panel=_CARD)
    ] = None,
    base_model: Annotated[
        str | None,
        typer.Option(metavar="OWNER/NAME", help="The model on the Hub.", rich_help_panel=_CARD),
    ] = None,
    evaluation: Annotated[
        Path | None,
        typer.Option(
            help="Folder or file that `langsteer evaluate` wrote, to show.", rich_help_panel=_CARD
        ),
    ] = None,
    plots: Annotated[
        bool, typer.Option(help="Draw success beside perplexity.", rich_help_panel=_CARD)
    ] = True,
    languages: Chosen = None,
    secret_key: SecretKey = None,
    create: Annotated[
        bool, typer.Option("--create", help="Make the Hub's repository where it is missing.")
    ] = False,
    private: Annotated[
        bool, typer.Option("--private", help="As a private one, with --create.")
    ] = False,
    force: Annotated[
        bool,
        typer.Option(
            "--force",
            help="Replace other versions, drop their signatures, replace a card of somebody's own.",
        ),
    ] = False,
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Check and show, write nothing.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Publish profiles with a card, in one commit; another version is never overwritten unasked.

    The Hub's token is $HF_TOKEN, or what `hf auth login` has kept.
    """
    with reported("profiles push"), _target(to, create, private, as_json) as target:
        from profiles.sharing.address import HubAddress, parse_address
        from profiles.sharing.card import Terms
        from profiles.sharing.push import push as publish

        address = parse_address(to)
        terms = Terms(licence=licence, link=licence_link, base_model=base_model)
        draw, missing = _drawing(plots)
        with opened(folder, True, None, as_json) as source:
            done = publish(
                source,
                target,
                terms,
                languages=languages_of(languages),
                signer=signer_of(secret_key) if secret_key else None,
                evaluation=_reading(evaluation),
                draw=draw,
                address=str(address) if isinstance(address, HubAddress) else None,
                force=force,
                dry_run=dry_run,
            )
        _tell(done, to, [*done.notes, *missing], dry_run, as_json)


@contextmanager
def _target(to: str, create: bool, private: bool, quiet: bool) -> Iterator[Target]:
    from profiles.errors import SharingError
    from profiles.sharing.address import FolderAddress, HubAddress, parse_address
    from profiles.sharing.fetcher import Fetcher
    from profiles.sharing.folder_target import FolderTarget
    from profiles.sharing.hub_client import hub_client
    from profiles.sharing.hub_target import HubTarget

    address = parse_address(to)
    if private and not create:
        raise typer.BadParameter("goes with --create", param_hint="--private")
    if isinstance(address, FolderAddress):
        if create:
            raise typer.BadParameter("is for the Hub's repositories", param_hint="--create")
        yield FolderTarget(address.path, summed=True)
    elif isinstance(address, HubAddress):
        if address.path.endswith(".safetensors"):
            raise SharingError(f"{to}: name the repository, or a folder in it, not a file")
        with Fetcher() as fetcher:
            yield HubTarget(
                address, hub_client(), fetcher, stages(quiet), create=create, private=private
            )
    else:
        raise SharingError(
            f"{to}: a web server is not written to; push to a folder, and copy it there whole: it "
            "has the SHA256SUMS that `langsteer profiles pull` needs"
        )


def _drawing(plots: bool) -> tuple[Draw | None, list[str]]:
    """(what draws, what to say where nothing can)."""
    if not plots:
        return None, []
    try:
        from profiles.sharing.card_plots import card_plots
    except ImportError:
        return None, ["no plots: they need matplotlib, pip install 'langsteer[evaluate]'"]
    return card_plots, []


def _reading(path: Path | None) -> Callable[[ModelIdentity], Mapping[str, Any]] | None:
    from profiles.report.evaluation import read_evaluation

    return (lambda model: read_evaluation(path, model)) if path else None


def _tell(done: Pushed, to: str, notes: list[str], dry_run: bool, as_json: bool) -> None:
    from profiles.sharing.facts import change_facts
    from profiles.sharing.screen import show_changes, show_warnings

    rows = [change_facts(change) for change in done.changes]
    if as_json:
        facts = {
            "to": to,
            "where": done.where or None,
            "dry_run": dry_run,
            "profiles": rows,
            "files": [name for name, data in done.files.items() if data is not None],
            "removed": [name for name, data in done.files.items() if data is None],
            "notes": notes,
            "card": done.card,
        }
        typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        return
    show_changes("Would push to" if dry_run else "Pushed to", to, rows)
    for name, data in done.files.items():
        typer.echo(f"{'-' if data is None else '+'} {name}" if dry_run else "", nl=dry_run)
    show_warnings(notes)
    if done.where:
        typer.echo(done.where)
