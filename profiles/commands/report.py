"""`langsteer report`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from profiles.commands.common import Json, reported


def report(
    profiles: Annotated[
        Path, typer.Option(help="Folder of profile files, or `ready`.", file_okay=False)
    ],
    model: Annotated[
        str | None,
        typer.Argument(
            metavar="[MODEL]", help="Folder, hub id, or `demo`: what the profiles must be of."
        ),
    ] = None,
    evaluation: Annotated[
        Path | None, typer.Option(help="Folder or file that `langsteer evaluate` wrote.")
    ] = None,
    layers: Annotated[
        Path | None, typer.Option(help="Folder or file that `langsteer layers` wrote.")
    ] = None,
    memories: Annotated[
        Path | None,
        typer.Option(
            help="File that `langsteer inspect collect --out` wrote: adds what layers do.",
            dir_okay=False,
        ),
    ] = None,
    mixing: Annotated[
        Path | None,
        typer.Option(help="Folder or file that `langsteer contextualize --out` wrote."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(help="The page; report-<model>.html by default.", dir_okay=False),
    ] = None,
    as_json: Json = False,
) -> None:
    """Write one self-contained HTML page on a model's profiles.

    With --json the page's data is printed, and a page is written only where --out is given.
    """
    with reported("report"):
        from profiles.errors import LangsteerError
        from profiles.inside.memories.facts import memories_facts
        from profiles.inside.memories.files import read_store
        from profiles.inside.mixing.folder import read_account
        from profiles.models.fingerprint import fingerprint
        from profiles.models.resolve import resolve_model
        from profiles.ready.folder import profile_folder
        from profiles.report.account import account, default_page
        from profiles.report.clean import clean
        from profiles.report.collection import read_collection
        from profiles.report.evaluation import read_evaluation
        from profiles.report.layers_file import read_layers_file
        from profiles.report.write import write

        expect = None
        if model:
            expect = fingerprint(resolve_model(model, lambda _line: None), model)
        collection = read_collection(profile_folder(profiles), expect)
        found = read_evaluation(evaluation, collection.model) if evaluation else None
        page = out or default_page(collection)
        command = ["langsteer", "report", *([model] if model else [])]
        command += ["--profiles", str(profiles)]
        command += ["--evaluation", str(evaluation)] if evaluation else []
        command += ["--layers", str(layers)] if layers else []
        command += ["--memories", str(memories)] if memories else []
        command += ["--mixing", str(mixing)] if mixing else []
        data = account(collection, found, [*command, "--out", str(page)])
        if layers:
            data["layers"] = clean(read_layers_file(layers, collection.model))
        if memories:
            listed = {row["language"]: row["language_neurons"] for row in data["profiles"]}
            store = read_store(memories, collection.model)
            told = memories_facts(store, listed, [*collection.profiles.values()])
            data["memories"] = clean(told)
        if mixing:
            data["mixing"] = clean(read_account(mixing, collection.model))
        if as_json:
            typer.echo(json.dumps(data, ensure_ascii=False, indent=1))
        if out or not as_json:
            try:
                from profiles.report.page import render
            except ImportError as error:
                raise LangsteerError(
                    "the page's plots need matplotlib: run pip install 'langsteer[evaluate]'"
                ) from error
            write(page, render(data))
            if not as_json:
                for warning in data["warnings"]:
                    typer.echo(f"warning: {warning}", err=True)
                typer.echo(f"Written to {page}")
