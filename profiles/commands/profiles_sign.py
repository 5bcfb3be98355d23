"""`langsteer profiles sign` and `keygen`."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiles.commands.common import Json, reported
from profiles.commands.sharing_options import Chosen, languages_of, opened

if TYPE_CHECKING:
    from profiles.sharing.signer import Signer

PASSWORD = "LANGSTEER_KEY_PASSWORD"


def sign(
    folder: Annotated[str, typer.Argument(metavar="FOLDER", help="Of profile files, or one file.")],
    secret_key: Annotated[
        Path,
        typer.Option(
            metavar="FILE",
            help=f"Secret key of minisign; its password is asked for, or is in ${PASSWORD}.",
            dir_okay=False,
        ),
    ],
    languages: Chosen = None,
    as_json: Json = False,
) -> None:
    """Write a signature of minisign beside each profile: <file>.minisig."""
    with reported("profiles sign"), opened(folder, True, None, as_json) as source:
        from profiles.errors import SharingError
        from profiles.sharing.folder_source import FolderSource
        from profiles.sharing.folder_target import FolderTarget
        from profiles.sharing.names import signature_name
        from profiles.sharing.pull import read_all

        if not isinstance(source, FolderSource):
            raise SharingError(f"{folder}: pull it first; signatures are written beside the files")
        artefacts = read_all(source, languages_of(languages))
        signer = signer_of(secret_key)
        files = {signature_name(a.name): signer.sign(a.data, a.name, a.label) for a in artefacts}
        FolderTarget(source.folder, summed=False).write(files, "")
        labels = [artefact.label for artefact in artefacts]
        if as_json:
            typer.echo(json.dumps({"key": signer.id, "signed": labels, "files": [*files]}))
        else:
            typer.echo(f"Signed with key {signer.id}: {', '.join(labels)}")


def keygen(
    name: Annotated[
        Path, typer.Argument(metavar="NAME", help="Writes NAME.key, the secret, and NAME.pub.")
    ],
    no_password: Annotated[
        bool, typer.Option("--no-password", help="Leave the secret key unlocked, for machines.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Make a pair of keys, as `minisign -G` does. Keep the secret one away from servers."""
    with reported("profiles keygen"):
        from profiles.sharing.keys import PublicKeys
        from profiles.sharing.signer import make_keys

        password = "" if no_password else _password(confirm=True)
        secret, public = make_keys(name, password)
        (key,) = PublicKeys.read(public).ids
        if as_json:
            facts = {"key": key, "secret": str(secret), "public": str(public)}
            typer.echo(json.dumps(facts))
        else:
            typer.echo(f"Key {key}: {secret} is the secret one, {public} the public one")


def signer_of(file: Path) -> Signer:
    """The signer with the secret key in `file`."""
    from profiles.sharing.signer import Signer

    return Signer.read(file, lambda: _password(confirm=False))


def _password(*, confirm: bool) -> str:
    if (given := os.environ.get(PASSWORD)) is not None:
        return given
    found: str = typer.prompt(
        "Password of the secret key", hide_input=True, confirmation_prompt=confirm, err=True
    )
    return found
