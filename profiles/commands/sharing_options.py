"""What the verbs of `langsteer profiles` share: options, and opening an address."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiles.commands.common import stages, tags

if TYPE_CHECKING:
    from profiles.profile import ModelIdentity
    from profiles.sharing.keys import PublicKeys
    from profiles.sharing.source import Source

ADDRESS = "A folder, a file, hf://owner/repo@revision/path, or https://host/path."
_FETCHING = "Fetching"
Address = Annotated[str, typer.Argument(metavar="ADDRESS", help=ADDRESS)]
Chosen = Annotated[
    str | None, typer.Option("--languages", help="Comma-separated tags; all by default.")
]
Offline = Annotated[
    bool,
    typer.Option(
        "--offline",
        help="Ask no network: use what was fetched before.",
        rich_help_panel=_FETCHING,
    ),
]
AllowHost = Annotated[
    list[str] | None,
    typer.Option(
        metavar="HOST",
        help="Host that a web server may redirect to; may be given several times.",
        rich_help_panel=_FETCHING,
    ),
]
Key = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Public key of minisign, or several: each profile must be signed with one.",
        dir_okay=False,
    ),
]
OfModel = Annotated[
    str | None, typer.Option(help="Folder, hub id, or `demo`: the model they must be of.")
]
SecretKey = Annotated[
    Path | None,
    typer.Option(
        metavar="FILE",
        help="Secret key of minisign to sign with; its password is asked for, or is in "
        "$LANGSTEER_KEY_PASSWORD.",
        dir_okay=False,
    ),
]


@contextmanager
def opened(address: str, offline: bool, allowed: list[str] | None, quiet: bool) -> Iterator[Source]:
    """The source at an address, with progress on a terminal."""
    from profiles.sharing.open_source import open_source

    with open_source(
        address, offline=offline, allowed=allowed or (), stage=stages(quiet)
    ) as source:
        yield source


def languages_of(given: str | None) -> list[str]:
    return tags(given)


def keys_of(file: Path | None) -> PublicKeys | None:
    from profiles.sharing.keys import PublicKeys

    return PublicKeys.read(file) if file else None


def identity_of(model: str | None) -> ModelIdentity | None:
    """The model's fingerprint; nothing of it is loaded."""
    if model is None:
        return None
    from profiles.models.fingerprint import fingerprint
    from profiles.models.resolve import resolve_model

    return fingerprint(resolve_model(model, lambda _line: None), model)
