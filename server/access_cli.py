"""`langsteer access`: check an access file, and hash the keys in it."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from profiles.commands.common import Json, reported
from server.policy_cli import hash_key

access = typer.Typer(
    no_args_is_help=True, help="Check a file of who may use the server, and hash keys for it."
)
access.command("hash-key")(hash_key)


@access.command()
def check(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="The access file, YAML.")],
    json_output: Json = False,
) -> None:
    """Say whether FILE can be used; exits with 1 and everything that is wrong where it cannot."""
    from server.access_file import read_access
    from server.yamlfile.problem import FileError

    with reported("access check"):
        try:
            rules = read_access(file)
        except FileError as error:
            errors = [*map(str, error.problems)]
            facts = {"valid": False, "file": str(file), "errors": errors}
            typer.echo(json.dumps(facts) if json_output else str(error))
            raise typer.Exit(1) from error
        if json_output:
            told = {"digest": rules.digest, "warnings": [*rules.warnings], **rules.describe()}
            typer.echo(json.dumps({"valid": True, "file": str(file), **told}))
        else:
            typer.echo("\n".join([f"{file} is valid.", *rules.summary(), *rules.warnings]))


@access.command()
def schema() -> None:
    """Print the JSON schema of the file, for editors."""
    from server.access.document import Document

    typer.echo(json.dumps(Document.model_json_schema(), indent=1))
