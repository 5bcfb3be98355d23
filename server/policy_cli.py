"""`langsteer policy`: check a policy file, and show what it does to a request."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from profiles.commands.common import Json, reported
from profiles.errors import LangsteerError
from steering.request import MAX_STRENGTH

policy = typer.Typer(
    no_args_is_help=True, help="Check a policy file, and show what it does to a request."
)
File = Annotated[Path, typer.Argument(metavar="FILE", help="The policy file, YAML.")]
Profiles = typer.Option(help="Folder of profile files, or `ready`.", file_okay=False)


@policy.command()
def check(
    file: File,
    profiles: Annotated[Path | None, Profiles] = None,
    json_output: Json = False,
) -> None:
    """Say whether FILE can be used; exits with 1 and everything that is wrong where it cannot."""
    from server.policy_file import read_policy
    from server.yamlfile.problem import FileError

    with reported("policy check"):
        offered = _catalog(profiles) if profiles else None
        try:
            book = read_policy(file, MAX_STRENGTH)
        except FileError as error:
            wrong = {"valid": False, "file": str(file), "errors": [*map(str, error.problems)]}
            _print(wrong, json_output, str(error))
            raise typer.Exit(1) from error
        warnings = [*book.warnings, *(book.unmet(offered) if offered else ())]
        facts = {
            "valid": True,
            "file": str(file),
            "rules": [clause.name for clause in book.clauses[:-1]],
            "tenants": [*book.tenants.names],
            "digest": book.digest,
            "warnings": warnings,
        }
        listed = "\n".join([f"{file} is valid: {len(book.clauses) - 1} rules.", *warnings])
        _print(facts, json_output, listed)


@policy.command()
def explain(
    file: File,
    profiles: Annotated[Path, Profiles],
    tenant: Annotated[str | None, typer.Option(help="Whose request it is.")] = None,
    key_stdin: Annotated[
        bool, typer.Option("--key-stdin", help="Read the API key from standard input.")
    ] = False,
    model: Annotated[str | None, typer.Option(help="`model` of a body without one.")] = None,
    aliases_of: Annotated[
        list[str] | None,
        typer.Option(
            metavar="NAME",
            help="Served name whose NAME:TAG are aliases, as with `serve --model-aliases`.",
        ),
    ] = None,
    route: Annotated[str, typer.Option(help="The path.")] = "/v1/chat/completions",
    header: Annotated[
        list[str] | None, typer.Option(help="'Name: value'; may be given several times.")
    ] = None,
    max_strength: Annotated[
        float,
        typer.Option(
            min=0.01,
            max=MAX_STRENGTH,
            help="As the server's.",
            envvar="LANGSTEER_MAX_STRENGTH",
        ),
    ] = MAX_STRENGTH,
    body: Annotated[
        str | None, typer.Option(help="File of the JSON body; - for standard input.")
    ] = None,
    json_output: Json = False,
) -> None:
    """Show which rule a request meets, why not an earlier one, and what it comes to."""
    from server.aliases import Aliases
    from server.policy.explain import explain as explained
    from server.policy_console import show
    from server.policy_file import read_policy
    from server.policy_question import question

    with reported("policy explain"):
        if key_stdin and (tenant or body == "-"):
            raise LangsteerError("--key-stdin goes with neither --tenant nor --body -")
        case = question(
            read_policy(file, max_strength),
            _catalog(profiles),
            tenant=tenant,
            keys=[sys.stdin.readline().strip()] if key_stdin else [],
            model=model or "",
            route=route,
            headers=[*map(_header, header or ())],
            body=_body(body),
            aliases=Aliases(lambda: aliases_of or (), tuple),
            max_strength=max_strength,
        )
        facts = explained(case)
        if json_output:
            typer.echo(json.dumps(facts))
        else:
            show(facts)


@policy.command("hash-key")
def hash_key() -> None:
    """Print what to write into the file for an API key, read from standard input or asked for."""
    from server.keyring import LONGEST, checked_key
    from server.keyring import hash_key as hashed

    if sys.stdin.isatty():
        key: str = typer.prompt("API key", hide_input=True)
    else:
        # What is longer is refused all the same: the rest of it need not be read.
        key = sys.stdin.buffer.readline(2 * LONGEST).decode(errors="replace")
    with reported("hash-key"):
        typer.echo(hashed(checked_key(key)))


@policy.command()
def schema() -> None:
    """Print the JSON schema of the file, for editors."""
    from server.policy.document import Document

    typer.echo(json.dumps(Document.model_json_schema(), indent=1))


def _print(facts: dict[str, Any], as_json: bool, text: str) -> None:
    typer.echo(json.dumps(facts) if as_json else text)


def _header(line: str) -> tuple[str, str]:
    name, colon, value = line.partition(":")
    if not colon:
        raise LangsteerError(f"--header {line!r} is not 'Name: value'")
    return name, value


def _body(given: str | None) -> bytes:
    if given is None:
        return b"{}"
    if given == "-":
        return sys.stdin.buffer.read()
    try:
        return Path(given).read_bytes()
    except OSError as error:
        text = f"cannot read --body {given}: {error.strerror or error}"
        raise LangsteerError(text) from error


def _catalog(folder: Path) -> Any:
    from server.policy_question import catalog_of

    return catalog_of(folder)
