"""The `langsteer` command's offline verbs."""

from __future__ import annotations

from typing import Annotated

import typer

from profiles.commands.contextualize import contextualize
from profiles.commands.evaluate import evaluate
from profiles.commands.inspect import inspect
from profiles.commands.layers import layers
from profiles.commands.profile import profile
from profiles.commands.profiles import profiles
from profiles.commands.report import report
from profiles.commands.scores import scores
from profiles.versions import installed

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Control the language a served model answers in.",
)


def _version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"langsteer {installed('langsteer')}")
        raise typer.Exit


@app.callback()
def main(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print it and exit.")
    ] = False,
) -> None:
    """Control the language a served model answers in."""


for verb in (profile, scores, layers, contextualize, evaluate, report):
    app.command()(verb)
app.add_typer(inspect, name="inspect")
app.add_typer(profiles, name="profiles")
