"""What putting profiles somewhere does to those that are there. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from profiles.errors import SharingError
from profiles.models.fingerprint import differences
from profiles.sharing.artefact import Artefact
from profiles.sharing.names import signature_name

# New there; another version of it was; the same version with other metadata or signature; nothing.
Outcome = Literal["new", "replaced", "updated", "unchanged"]


@dataclass(frozen=True, kw_only=True)
class Change:
    """One profile that is put somewhere.

    Attributes:
        artefact: what is put there.
        outcome: what that does.
        before: the version that was there, or None.
        unsigned: whether a signature that was there goes with it.
    """

    artefact: Artefact
    outcome: Outcome
    before: str | None = None
    unsigned: bool = False

    def files(self) -> dict[str, bytes | None]:
        """What to write by name, None for what to remove; signatures first.

        A server that wants signatures then never sees a new profile without one.
        """
        if self.outcome == "unchanged":
            return {}
        name = self.artefact.name
        out: dict[str, bytes | None] = {}
        if self.artefact.signature is not None or self.unsigned:
            out[signature_name(name)] = self.artefact.signature
        return {**out, name: self.artefact.data}


def plan(
    new: Sequence[Artefact], there: Mapping[str, Artefact], where: str, *, force: bool
) -> list[Change]:
    """What becomes of each of `new`.

    Args:
        new: what is to be put there.
        there: what is there, by language.
        where: for errors.
        force: whether another version may be replaced, and a signature lost.

    Raises:
        SharingError: the profiles are of several models, or `force` would be needed; names all.
    """
    _check_model(new, there, where)
    lower = {tag.lower(): tag for tag in there}
    changes, refused = [], []
    for artefact in new:
        language = artefact.profile.language
        spelled = lower.get(language.lower(), language)
        if spelled != language:
            raise SharingError(f"{where} has {spelled}, which {language} is another spelling of")
        before = there.get(language)
        outcome = _outcome(artefact, before)
        unsigned = outcome != "unchanged" and bool(
            before and before.signature is not None and artefact.signature is None
        )
        if outcome == "replaced" and before:
            refused.append(f"{before.label} is there, this is {artefact.label}")
        elif unsigned:
            refused.append(f"{artefact.label} is signed there, and not here")
        version = before.profile.version if before else None
        changes.append(
            Change(artefact=artefact, outcome=outcome, before=version, unsigned=unsigned)
        )
    if refused and not force:
        raise SharingError(f"{where}: {'; '.join(refused)}; --force replaces it")
    return changes


def _outcome(artefact: Artefact, before: Artefact | None) -> Outcome:
    if before is None:
        return "new"
    if before.profile.content_hash != artefact.profile.content_hash:
        return "replaced"
    same = (before.data, before.signature) == (artefact.data, artefact.signature)
    return "unchanged" if same else "updated"


def _check_model(new: Sequence[Artefact], there: Mapping[str, Artefact], where: str) -> None:
    every = [*there.values(), *new]
    for one in every[1:]:
        if differing := differences(every[0].profile.model, one.profile.model):
            raise SharingError(
                f"{every[0].label} and {one.label}, for {where}, are of different models: "
                f"{differing}; give each model a folder or repository of its own"
            )
