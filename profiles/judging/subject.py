"""What is judged: a model's profiles, edited in here or asked of a server."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from profiles.errors import ProfileError
from profiles.judging.method import Method
from profiles.judging.options import Options
from profiles.judging.remote import Remote
from profiles.judging.writer import OfflineWriter, Writer
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel
from profiles.profile import Profile


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where everything is.

    Attributes:
        profiles: folder of profiles; None where only a server is judged.
        server: base URL of a running server; None judges offline.
        api_key: of the server.
        down_projection: see `find_ffns`.
        text, text_lines: see `read_text`.
        embedder: see `encoder`; None takes the packaged one, or the model's own hidden states.
        out, resume, overwrite: see `Record`.
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
    overwrite: bool = False


class Subject:
    """The profiles to judge, and whatever applies them. The model is loaded later, by `load`.

    Args:
        place: see `Place`.
        languages: tags to judge; empty for all there are profiles of.
        options: see `Options`.

    Attributes:
        remote: the server, if one is judged.
        loaded: the model; None before `load`, and where only the server has it.
        wanted: the languages.
        plan: by role, those whose profile has an edit for it.

    Raises:
        LangsteerError: a profile is damaged or missing, none has an edit, no server answers.
    """

    def __init__(self, place: Place, languages: Sequence[str], options: Options) -> None:
        self._place, self._options = place, options
        self.loaded: LoadedModel | None = None
        self.remote = Remote(place.server, place.api_key) if place.server else None
        self._profiles = _profiles(place, None)
        self._offered: Mapping[str, str] = (
            self.remote.offered(self._profiles)
            if self.remote
            else {tag: profile.version for tag, profile in self._profiles.items()}
        )
        self.wanted = [*languages] or [*self._offered]
        if missing := [tag for tag in self.wanted if tag not in self._offered]:
            raise ProfileError(
                f"{place.server or place.profiles} has no profile of {', '.join(missing)}; "
                f"it has {', '.join(self._offered) or 'none'}"
            )
        self.plan = self._plan()

    def load(self, load: Callable[[], LoadedModel]) -> None:
        """Load the model.

        Raises:
            ProfileError: the profiles are another model's.
        """
        self.loaded = load()
        self._profiles = _profiles(self._place, self.loaded)
        if self.remote:
            self.remote.tokenizer = self.loaded.tokenizer

    @property
    def model(self) -> LoadedModel:
        """The model, where there must be one."""
        assert self.loaded is not None, "what is judged offline has been loaded"
        return self.loaded

    @property
    def writer(self) -> Writer:
        """Writes the outputs."""
        return self.remote or OfflineWriter(self.model)

    def facts(self) -> dict[str, Any]:
        """What it is, for the record."""
        model = asdict(self.loaded.identity) if self.loaded else {}
        if self.remote:
            model = {"name": self.remote.model, **model}
        dtype = str(self.loaded.model.dtype).removeprefix("torch.") if self.loaded else None
        return {
            "model": model,
            "precision": dtype,
            "server": self._place.server,
            "profiles": {tag: self._offered[tag] for tag in self.wanted},
            "neurons_edited": {
                tag: _shares(self._profiles[tag]) for tag in self.wanted if tag in self._profiles
            },
        }

    def methods(self, role: str) -> dict[str, list[Method]]:
        """By language, the profile's edit at each strength."""
        return {
            tag: [
                self._asked(role, tag, strength)
                if self.remote
                else self._edited(role, tag, strength)
                for strength in self._options.strengths
            ]
            for tag in self.plan.get(role, ())
        }

    def _asked(self, role: str, tag: str, strength: float) -> Method:
        field: dict[str, Any] = {"target": tag} if role == "target" else {"suppress": [tag]}
        field |= {"strength": strength, "phase": self._options.phase}
        return Method(name="steered", strength=strength, steering=field)

    def _edited(self, role: str, tag: str, strength: float) -> Method:
        model, edit = self.model.model, self._profiles[tag].edits()[role]
        down = self._place.down_projection

        def apply(first: int | Sequence[int] = 0) -> AbstractContextManager[None]:
            return edited(model, edit, strength, first, down_projection=down)

        late = apply if self._options.phase == "decode" else None
        return Method(name="steered", strength=strength, apply=apply, apply_from=late)

    def _plan(self) -> dict[str, list[str]]:
        roles: list[str] = [r for r in ("target", "suppress") if r in self._options.roles]
        plan = {role: [tag for tag in self.wanted if role in self._roles(tag)] for role in roles}
        if not any(plan.values()):
            raise ProfileError(
                f"the profiles of {', '.join(self.wanted)} have no edit for {' or '.join(roles)}"
            )
        return plan

    def _roles(self, tag: str) -> Collection[str]:
        return self.remote.roles(tag) if self.remote else self._profiles[tag].edits()


def _profiles(place: Place, loaded: LoadedModel | None) -> Mapping[str, Profile]:
    if place.profiles is None:
        return {}
    from profiles.store import list_profiles

    good, errors = list_profiles(place.profiles, loaded.identity if loaded else None)
    if errors:
        raise errors[0]
    return good


def _shares(profile: Profile) -> dict[str, Any]:
    """By role: the share of the model's FFN neurons that are edited singly, and the layers that
    carry an offset or one more memory."""
    neurons = profile.model.layers * profile.model.intermediate_size
    return {
        role: {
            "share": (len(edit.neurons) if edit.neurons else 0) / neurons,
            "offset_layers": len(edit.offsets) if edit.offsets else 0,
            "memory_layers": len(edit.memories) if edit.memories else 0,
        }
        for role, edit in profile.edits().items()
    }
