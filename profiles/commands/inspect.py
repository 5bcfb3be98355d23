"""`langsteer inspect`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated, Any

import typer

from profiles.commands.common import (
    Json,
    reported,
)


def inspect(
    file: Annotated[Path, typer.Argument(help="A profile file.")], as_json: Json = False
) -> None:
    """Print what a profile file edits, in which layers, and where it came from."""
    with reported("inspect"):
        from dataclasses import asdict

        from profiles.console import show_profile
        from profiles.store import created, read
        from profiles.summary import edited, recommended

        found = read(file)
        facts: dict[str, Any] = {
            "file": str(file),
            "language": found.language,
            "version": found.version,
            "content_hash": found.content_hash,
            "created": created(file.read_bytes(), str(file)),
            "model": asdict(found.model),
            "edits": {role: edited(found, role) for role in found.edits()},
            "recommended": recommended(found),
            "provenance": dict(found.provenance),
        }
        if as_json:
            typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))
        else:
            show_profile(facts)
