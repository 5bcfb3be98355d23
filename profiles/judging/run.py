"""From the options of `langsteer evaluate` to its result: what is read, made and asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from profiles.errors import ProfileError
from profiles.judging.baselines import Bench
from profiles.judging.evaluate import Evaluation
from profiles.judging.meaning import Meaning, encoder, hidden_states
from profiles.judging.method import Method
from profiles.judging.options import Options
from profiles.judging.record import Record
from profiles.judging.remote import Remote
from profiles.judging.text import read_text
from profiles.judging.writer import OfflineWriter, Writer
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel
from profiles.profile import Edit, Profile
from profiles.progress import Stage


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where everything is.

    Attributes:
        profiles: folder of profiles; None where only a server is judged.
        server: base URL of a running server; None judges offline.
        api_key: of the server.
        down_projection: see `find_ffns`.
        text, text_lines: see `read_text`.
        embedder: see `encoder`; None takes the model's own hidden states.
        out, resume: see `Record`.
    """

    profiles: Path | None = None
    server: str | None = None
    api_key: str | None = None
    down_projection: str | None = None
    text: Path | None = None
    text_lines: tuple[int, int] | None = None
    embedder: Path | None = None
    out: Path | None = None
    resume: bool = False


def run(
    place: Place,
    languages: Sequence[str],
    options: Options,
    stage: Stage,
    load: Callable[[], LoadedModel] | None,
) -> dict[str, Any]:
    """Read, make, judge.

    Args:
        place: see `Place`.
        languages: tags to judge; empty for all there are profiles of.
        options: see `Options`.
        stage: shows progress.
        load: loads the model, once everything that is quicker to check has been; None where
            only a server has it.

    Raises:
        LangsteerError: whatever cannot be read, made or reached; says what mends it.
    """
    from profiles.corpora.corpus import read_corpus
    from profiles.make import versions

    text = read_text(place.text, place.text_lines)
    remote = Remote(place.server, place.api_key) if place.server else None
    loaded = load() if load else None
    profiles = _profiles(place, loaded)
    offered = (
        remote.offered(profiles) if remote else {tag: p.version for tag, p in profiles.items()}
    )
    wanted = _wanted(languages, offered, place)
    writer: Writer
    if remote:
        writer = remote
    else:
        assert loaded
        writer = OfflineWriter(loaded)
    record = Record(
        {
            "model": _model(loaded, remote),
            "server": place.server,
            "text": {"source": text.source, "sha256": text.digest, "languages": text.languages},
            "options": options.fixed(),
            "profiles": {tag: offered[tag] for tag in wanted},
            "neurons_edited": _shares(profiles, wanted),
            "versions": versions(),
        },
        place.out,
        place.resume,
    )
    if loaded is None:
        record.skip(
            measures="bits_per_byte, bits_ratio, perplexity, meaning",
            reason="they take the model offline: give MODEL as well",
        )
    methods = {
        role: {
            tag: found
            for tag in wanted
            if (found := _methods(role, tag, profiles, remote, loaded, options, place))
        }
        for role in ("target", "suppress")
        if role in options.roles
    }
    if not any(methods.values()):
        raise ProfileError(
            f"the profiles of {', '.join(wanted)} have no edit for {' or '.join(options.roles)}"
        )
    bench = Bench(loaded if not remote else None, read_corpus(), stage, place.down_projection)
    meaning = None
    if loaded and "translate" in options.conditions and text.tag_of("en"):
        embed = encoder(place.embedder) if place.embedder else hidden_states(loaded)
        meaning = Meaning(embed, text.lines)
        record.data["meaning"] = str(place.embedder or "the model's own middle layer")
    return Evaluation(
        record=record,
        writer=writer,
        loaded=loaded,
        text=text,
        options=options,
        stage=stage,
        meaning=meaning,
    ).run(
        methods.get("target", {}),
        methods.get("suppress", {}),
        bench if options.baselines else None,
    )


def _profiles(place: Place, loaded: LoadedModel | None) -> Mapping[str, Profile]:
    if place.profiles is None:
        return {}
    from profiles.store import list_profiles

    good, errors = list_profiles(place.profiles, loaded.identity if loaded else None)
    if errors:
        raise errors[0]
    return good


def _wanted(languages: Sequence[str], offered: Mapping[str, str], place: Place) -> list[str]:
    wanted = [*languages] or [*offered]
    if missing := [tag for tag in wanted if tag not in offered]:
        raise ProfileError(
            f"{place.server or place.profiles} has no profile of {', '.join(missing)}; "
            f"it has {', '.join(offered) or 'none'}"
        )
    return wanted


def _model(loaded: LoadedModel | None, remote: Remote | None) -> dict[str, Any]:
    facts = asdict(loaded.identity) if loaded else {}
    return {"name": remote.model if remote else None, **facts} if remote else facts


def _shares(profiles: Mapping[str, Profile], wanted: Sequence[str]) -> dict[str, Any]:
    """By language and role: the share of the model's FFN neurons that are edited singly, and the
    layers that carry an offset."""
    out: dict[str, Any] = {}
    for tag in wanted:
        if tag in profiles:
            model = profiles[tag].model
            neurons = model.layers * model.intermediate_size
            out[tag] = {
                role: {
                    "share": (len(edit.neurons) if edit.neurons else 0) / neurons,
                    "offset_layers": len(edit.offsets) if edit.offsets else 0,
                }
                for role, edit in profiles[tag].edits().items()
            }
    return out


def _methods(
    role: str,
    tag: str,
    profiles: Mapping[str, Profile],
    remote: Remote | None,
    loaded: LoadedModel | None,
    options: Options,
    place: Place,
) -> list[Method]:
    edit: Edit | None = getattr(profiles.get(tag), role, None)
    if remote:
        if role not in remote.roles(tag):
            return []
        field: dict[str, Any] = {"target": tag} if role == "target" else {"suppress": [tag]}
        return [
            Method(name="steered", strength=s, steering={**field, "strength": s})
            for s in options.strengths
        ]
    if edit is None or loaded is None:
        return []
    model = loaded.model
    return [
        Method(
            name="steered",
            strength=s,
            apply=lambda s=s: edited(  # type: ignore[misc]
                model, edit, s, down_projection=place.down_projection
            ),
        )
        for s in options.strengths
    ]
