"""`langsteer inspect profile`."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from profiles.commands.common import Json, load, reported, stages
from profiles.commands.inspect_memories import Store
from profiles.errors import ProfileError

if TYPE_CHECKING:
    from profiles.profile import ModelIdentity, Profile


def profile(
    which: Annotated[
        str, typer.Argument(metavar="FILE_OR_LANGUAGE", help="A profile file, or a tag: de.")
    ],
    profiles: Annotated[
        Path,
        typer.Option(help="Where a tag is looked up: a folder, or `ready`.", file_okay=False),
    ] = Path("ready"),
    model: Annotated[
        str | None,
        typer.Option(help="The profile's model, where it is not where it was when it was made."),
    ] = None,
    store: Store = None,
    triggers: Annotated[
        bool,
        typer.Option("--triggers", help="Also run the model to see what opens memories' keys."),
    ] = False,
    file_only: Annotated[
        bool, typer.Option("--file-only", help="Only what the file holds: no model, no store.")
    ] = False,
    as_json: Json = False,
) -> None:
    """What a profile edits, where it came from, and what its edits say, given a store."""
    with reported("inspect profile"):
        from profiles.console import show_profile
        from profiles.description import describe
        from profiles.store import created, read

        file = _file(which, profiles)
        found = read(file)
        facts = describe(found, created(file.read_bytes(), str(file)), str(file))
        note = None
        if not file_only:
            facts["says"], note = _says(found, model, store, triggers, as_json)
        if as_json:
            typer.echo(json.dumps(facts, ensure_ascii=False, indent=1))
            return
        show_profile(facts)
        if facts.get("says"):
            from profiles.inside.memories.screen import show_edits

            show_edits(facts["says"])
        if note:
            typer.echo(note)


def _file(which: str, profiles: Path) -> Path:
    from profiles.errors import CorpusError
    from profiles.language import check_tag
    from profiles.ready.folder import profile_folder
    from profiles.store import SUFFIX

    file = Path(which)
    if file.suffix == SUFFIX or file.exists():
        return file
    folder = profile_folder(profiles)
    try:
        file = folder / f"{check_tag(which)}{SUFFIX}"
    except CorpusError as error:
        raise ProfileError(f"no profile file {which}, and no tag of one in {folder}") from error
    if not file.is_file():
        there = ", ".join(sorted(f.stem for f in folder.glob(f"*{SUFFIX}"))) or "none"
        raise ProfileError(f"{folder} has no profile of {which}; it has {there}")
    return file


def _says(
    found: Profile, model: str | None, store: Path | None, triggers: bool, quiet: bool
) -> tuple[dict[str, Any] | None, str | None]:
    """(what the edits say, what is missing for more of it)."""
    from profiles.inside.memories.decoder import find_decoder
    from profiles.inside.memories.edit_account import edit_account
    from profiles.inside.memories.files import default_place, read_store
    from profiles.inside.memories.key_triggers import key_triggers
    from profiles.inside.memories.whole_edit import whole_edit

    place = store or default_place(found.model)
    name = model or found.model.name
    if not place.is_file() and not store:
        return None, f"What these edits say: `langsteer inspect collect {name}` first."
    memories = read_store(place, found.model)
    differing = _differing(found.model, name) if model or _local(name) else "not on this machine"
    if differing and model:
        raise ProfileError(f"--model {name} is not the profile's model: {differing}")
    if differing:
        note = (
            f"What the vectors it adds say: give their model, {name} ({differing}), with --model."
        )
        return edit_account(memories, found, None), note
    loaded = load(name, "auto", quiet)
    decoder = find_decoder(loaded.model)
    says = edit_account(memories, found, decoder)
    for role, edit in found.edits().items():
        # Away from a language shows on its own text, towards it on the others'.
        own = [tag for tag in memories.languages if tag == found.language]
        others = [tag for tag in memories.languages if tag != found.language]
        if texts := own if role == "suppress" else others:
            with stages(quiet)(f"the next token with {role}"):
                says[role]["whole"] = whole_edit(memories, loaded, edit, texts)
        if triggers and edit.memories:
            with stages(quiet)(f"what opens the memories of {role}") as show:
                says[role]["keys"] = key_triggers(
                    memories, loaded, decoder, edit.memories, progress=show
                )
    return says, None


def _differing(expected: ModelIdentity, name: str) -> str:
    from profiles.models.fingerprint import differences, fingerprint
    from profiles.models.resolve import resolve_model

    return differences(expected, fingerprint(resolve_model(name, lambda _line: None), name))


def _local(name: str) -> bool:
    """Whether a model can be had by that name without fetching anything."""
    return name == "demo" or Path(name).expanduser().is_dir()
