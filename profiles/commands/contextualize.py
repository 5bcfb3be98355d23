"""`langsteer contextualize`."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from profiles.commands.common import (
    Down,
    Json,
    Model,
    choice,
    flag,
    given,
    load,
    reported,
    stages,
    tags,
)

if TYPE_CHECKING:
    from profiles.inside.mixing.study import Steering
    from profiles.profile import ModelIdentity

_STEERED = "Steered"
# A request's limit, see `steering.request`.
_STRONGEST = 8


def contextualize(
    context: typer.Context,
    model: Model,
    text: Annotated[
        list[str],
        typer.Argument(
            metavar="TEXT...",
            help="The text; several pieces, of a language each, are put together.",
        ),
    ],
    languages: Annotated[
        str | None,
        typer.Option(help="Language of each piece, e.g. en,de; identified by default."),
    ] = None,
    profile: Annotated[
        str | None,
        typer.Option(
            help="Profile file, or a language of --profiles: compare steered with unsteered.",
            rich_help_panel=_STEERED,
        ),
    ] = None,
    profiles: Annotated[
        Path,
        typer.Option(
            help="Folder of profile files, or `ready`.", file_okay=False, rich_help_panel=_STEERED
        ),
    ] = Path("ready"),
    role: Annotated[
        str, typer.Option(help="target or suppress.", rich_help_panel=_STEERED)
    ] = "target",
    strength: Annotated[
        float,
        typer.Option(help="Factor on the edit, over 0 and at most 8.", rich_help_panel=_STEERED),
    ] = 1.0,
    layers: Annotated[
        str | None,
        typer.Option(help="Layers to draw, e.g. 0,5,17; those that change most by default."),
    ] = None,
    pairs: Annotated[
        int, typer.Option(min=1, help="Token pairs a layer in mixing.json; the screen has three.")
    ] = 5,
    out: Annotated[
        Path | None,
        typer.Option(help="Folder for mixing.json, maps.npz and pictures.", file_okay=False),
    ] = None,
    memory: Annotated[
        float,
        typer.Option(
            min=0.01,
            help="GiB for maps and parts, beside the model.",
            rich_help_panel="Speed and scale",
        ),
    ] = 2.0,
    precision: Annotated[
        str, typer.Option(help="Of the weights: fp32, bf16 or auto (bf16).")
    ] = "fp32",
    down_projection: Down = None,
    as_json: Json = False,
) -> None:
    """Show how a text's tokens mix, layer by layer, before and after the feed-forward block.

    Norm-based maps with the feed-forward network split by integrated gradients, after Kobayashi et
    al. (2024). With --profile, where and for which languages an edit disturbs them.
    """
    choice("--role", role, ("target", "suppress"))
    if not (math.isfinite(strength) and 0 < strength <= _STRONGEST):
        raise typer.BadParameter(
            f"{strength:g} is not over 0 and at most {_STRONGEST}", param_hint="--strength"
        )
    if not profile:
        for name in ("profiles", "role", "strength"):
            if given(context, name):
                raise typer.BadParameter(
                    "it says how a profile steers, and there is none: --profile",
                    param_hint=flag(context, name),
                )
    with reported("contextualize"):
        from profiles.errors import LangsteerError
        from profiles.inside.mixing.console import show_study
        from profiles.inside.mixing.folder import save
        from profiles.inside.mixing.study import study
        from profiles.inside.mixing.text import mixed_text

        drawn = _layers(layers)
        loaded = load(model, precision, as_json)
        pieces = mixed_text(loaded.tokenizer, text, _tags(languages))
        steering = None
        if profile:
            steering = _steering(profile, profiles, role, strength, loaded.identity)
        found = study(
            loaded,
            pieces,
            steering,
            layers=drawn,
            pairs=pairs,
            memory_limit=round(memory * 2**30),
            down_projection=down_projection,
            stage=stages(as_json),
        )
        files = []
        if out:
            files = save(found, out)
            try:
                from profiles.inside.mixing.draw import draw
                from profiles.inside.mixing.labels import lost_letters
            except ImportError as error:
                raise LangsteerError(
                    f"{', '.join(map(str, files))} are written; the pictures need matplotlib: run "
                    "pip install 'langsteer[evaluate]'"
                ) from error
            files += draw(found, out)
            if note := lost_letters(pieces.tokens):
                typer.echo(f"warning: {note}", err=True)
        for warning in found.facts["warnings"]:
            typer.echo(f"warning: {warning}", err=True)
        if as_json:
            typer.echo(json.dumps(found.facts, ensure_ascii=False))
        else:
            show_study(found.facts, files)


def _tags(languages: str | None) -> list[str]:
    # One a piece: `tags` would drop the second of two pieces in one language.
    return [tag for part in (languages or "").split(",") for tag in tags(part)]


def _layers(given: str | None) -> list[int] | None:
    if given is None:
        return None
    try:
        return sorted({int(part) for part in given.split(",")})
    except ValueError:
        raise typer.BadParameter(
            f"{given!r} is no list of layers such as 0,5,17", param_hint="--layers"
        ) from None


def _steering(
    wanted: str, folder: Path, role: str, strength: float, identity: ModelIdentity
) -> Steering:
    from profiles.errors import ProfileError
    from profiles.inside.mixing.study import Steering
    from profiles.ready.folder import profile_folder
    from profiles.store import SUFFIX, read

    file = Path(wanted)
    if not file.is_file():
        file = profile_folder(folder) / f"{wanted}{SUFFIX}"
    if not file.is_file():
        raise ProfileError(
            f"--profile {wanted}: there is no such file, and no {file}. Make one with `langsteer "
            "profile`, or name the folder it is in: --profiles"
        )
    found = read(file, identity)
    edit = found.edits().get(role)
    if edit is None:
        raise ProfileError(
            f"{file} has no edit for the role {role}, only for {', '.join(found.edits())}: --role"
        )
    facts = {
        "profile": f"{found.language}@{found.version}",
        "language": found.language,
        "role": role,
    }
    return Steering(edit=edit, strength=strength, facts=facts)
