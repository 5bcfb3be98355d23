"""Profiles from a folder to where others find them, with a card."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from profiles.errors import SharingError
from profiles.profile import ModelIdentity
from profiles.sharing.artefact import Artefact
from profiles.sharing.card import MARK, Card, Terms
from profiles.sharing.change import Change, plan
from profiles.sharing.keys import key_id
from profiles.sharing.listing import SharedFile
from profiles.sharing.names import CARD
from profiles.sharing.present import present
from profiles.sharing.pull import read_all
from profiles.sharing.signer import Signer
from profiles.sharing.source import Source
from profiles.sharing.target import Target

# Draws PNG by role; None where nothing can draw.
Draw = Callable[[Sequence[Any]], Mapping[str, bytes]]


@dataclass(frozen=True, kw_only=True, eq=False)
class Pushed:
    """What was done, or would be.

    Attributes:
        changes: by profile.
        card: the page, None where the one that is there stays.
        files: everything that is written, by path; None is removed.
        notes: what the publisher should know.
        where: it is, "" after a dry run or where nothing changed.
    """

    changes: Sequence[Change]
    card: str | None
    files: Mapping[str, bytes | None]
    notes: Sequence[str]
    where: str


def push(
    source: Source,
    target: Target,
    terms: Terms,
    *,
    languages: Collection[str] = (),
    signer: Signer | None = None,
    evaluation: Callable[[ModelIdentity], Mapping[str, Any]] | None = None,
    draw: Draw | None = None,
    address: str | None = None,
    force: bool = False,
    dry_run: bool = False,
) -> Pushed:
    """Check everything here and there, then write once.

    Args:
        source: the profiles to publish.
        target: where to.
        terms: licence and base model.
        languages: which, all by default.
        signer: signs what is published; without one, signatures go along where they are.
        evaluation: reads the evaluation of profiles of that model, for the card.
        draw: see `Draw`.
        address: what to pull them from, for the card.
        force: replace other versions, lose signatures, replace a card of somebody's own.
        dry_run: write nothing.

    Raises:
        SharingError, ProfileError: says what is wrong; nothing has changed then.
    """
    place = target.there()
    there = present(place, good_only=force)
    new = [_signed(artefact, signer, there) for artefact in read_all(source, languages)]
    changes = plan(new, there, target.label, force=force)
    changed = [change for change in changes if change.outcome != "unchanged"]
    # The card is of all that will be there, not of what comes now.
    after = there | {artefact.profile.language: artefact for artefact in new}
    everything = [after[language] for language in sorted(after)]
    files = {name: data for change in changed for name, data in change.files().items()}
    notes = _private_words(new)
    model = everything[0].profile.model
    plots = draw([a.profile for a in everything]) if draw else {}
    card: str | None = Card(
        artefacts=everything,
        terms=terms,
        where=address,
        evaluation=evaluation(model) if evaluation else None,
        plots={role: f"plots/{role}.png" for role in plots},
        keys=_key_ids(everything),
    ).render()
    if place is not None and not force and _foreign_card(place):
        notes.append(f"{CARD} there is not of this command and stays; --force replaces it")
        card = None
    if card is not None:
        files |= {CARD: card.encode(), **{f"plots/{r}.png": data for r, data in plots.items()}}
    where = ""
    if not dry_run:
        where = target.write(files, _message(changed))
    return Pushed(changes=changes, card=card, files=files, notes=notes, where=where)


def _signed(artefact: Artefact, signer: Signer | None, there: Mapping[str, Artefact]) -> Artefact:
    """The artefact with a signature, made anew only where none of that key is there."""
    if signer is None:
        return artefact
    before = there.get(artefact.profile.language)
    for signature in (artefact.signature, before.signature if before else None):
        if signature is not None and signer.has_signed(artefact.data, signature):
            return replace(artefact, signature=signature)
    return replace(artefact, signature=signer.sign(artefact.data, artefact.name, artefact.label))


def _foreign_card(place: Source) -> bool:
    listing = place.listing()
    card: SharedFile | None = listing.files.get(CARD)
    return card is not None and MARK.encode() not in place.read(card)


def _key_ids(artefacts: Sequence[Artefact]) -> list[str]:
    found = set()
    for artefact in artefacts:
        if artefact.signature is not None:
            try:
                found.add(key_id(artefact.signature.splitlines()[1]))
            except (IndexError, ValueError) as error:
                raise SharingError(
                    f"the signature beside {artefact.name} is none of minisign's"
                ) from error
    return sorted(found)


def _private_words(artefacts: Sequence[Artefact]) -> list[str]:
    """Paths of this machine that the files would tell the world."""
    told: list[tuple[str, Any]] = [("model", a.profile.model.name) for a in artefacts]
    for artefact in artefacts:
        corpus = artefact.profile.provenance.get("corpus")
        told.append(("corpus", corpus.get("source") if isinstance(corpus, Mapping) else None))
    return [
        f"the files say where their {what} was on the machine that made them: {value}"
        for what, value in dict.fromkeys(told)
        if isinstance(value, str) and value.startswith(("/", "~", ".."))
    ]


def _message(changed: Sequence[Change]) -> str:
    if not changed:
        return "Update the card"
    labels = ", ".join(change.artefact.label for change in changed)
    return f"Add profiles: {labels}"[:200]
