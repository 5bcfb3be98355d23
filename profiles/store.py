"""Profile files: one safetensors file a language, verified on the way in, atomic on the way out.

Only numpy and safetensors: the server and vLLM's workers import this module.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from profiles.atomic import write_atomically
from profiles.errors import LangsteerError, ProfileError
from profiles.language import check_tag
from profiles.models.fingerprint import differences
from profiles.profile import Edit, MemoryEdit, ModelIdentity, NeuronEdit, OffsetEdit, Profile

FORMAT_VERSION = 1
SUFFIX = ".safetensors"
_KEY = "langsteer"
_REMAKE = "make it anew with `langsteer profile`"
_ROLES = ("target", "suppress")
_KINDS: dict[str, Any] = {"neurons": NeuronEdit, "offsets": OffsetEdit, "memories": MemoryEdit}


def save(profile: Profile, path: Path) -> Path:
    """Write `profile` to `path`, or to "<language>.safetensors" where `path` is a folder.

    The file appears whole or not at all: it is written beside its place, synced, renamed.

    Raises:
        ProfileError: it cannot be written, or the name does not fit the language.
    """
    file = path / f"{profile.language}{SUFFIX}" if path.is_dir() else path
    _check_name(file, profile.language)
    try:
        write_atomically(file, dumps(profile))
    except OSError as error:
        raise ProfileError(f"cannot write {file}: {error.strerror or error}") from error
    return file


def read(path: Path, expect: ModelIdentity | None = None) -> Profile:
    """The profile in `path`, verified.

    Args:
        path: a file `save` wrote; symbolic links to one are followed.
        expect: the model it must belong to; None skips that check only.

    Raises:
        ProfileError: unreadable, damaged, of another format or model; names the file, what was
            expected, what was found, what to run.
    """
    if path.is_dir():
        raise ProfileError(f"{path} is a folder, expected a profile file (<language>{SUFFIX})")
    try:
        data = path.read_bytes()
    except OSError as error:
        raise ProfileError(f"cannot read {path}: {error.strerror or error}") from error
    profile = loads(data, str(path), expect)
    _check_name(path, profile.language)
    return profile


def dumps(profile: Profile) -> bytes:
    """The bytes of the profile's file: how it travels to workers, too."""
    header = {
        "format_version": FORMAT_VERSION,
        "language": profile.language,
        "model": asdict(profile.model),
        "content_hash": profile.content_hash,
        "provenance": dict(profile.provenance),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    return bytes(save_tensors(profile.tensors(), metadata={_KEY: json.dumps(header)}))


def loads(data: bytes, origin: str, expect: ModelIdentity | None = None) -> Profile:
    """The inverse of `dumps`; `origin` names the source in errors. Raises as `read` does."""
    header = _header(data, origin)
    version = header.get("format_version")
    if version != FORMAT_VERSION:
        newer = isinstance(version, int) and version > FORMAT_VERSION
        remedy = "update langsteer" if newer else _REMAKE
        raise ProfileError(
            f"{origin}: format version {version!r}, this langsteer reads {FORMAT_VERSION}; {remedy}"
        )
    try:
        tensors = load_tensors(data)
    except (SafetensorError, ValueError, KeyError) as error:
        raise ProfileError(f"{origin}: tensors are damaged ({error}); {_REMAKE}") from error
    try:
        language = check_tag(_text(header, "language"))
        model = _identity(header.get("model"))
        provenance = header.get("provenance")
        if not isinstance(provenance, Mapping):
            raise ProfileError("metadata has no provenance")
        profile = Profile(language=language, model=model, provenance=provenance, **_edits(tensors))
    except (LangsteerError, TypeError, IndexError) as error:
        raise ProfileError(f"{origin}: {error}; {_REMAKE}") from error
    if profile.content_hash != header.get("content_hash"):
        raise ProfileError(
            f"{origin}: content hash {profile.version}, expected "
            f"{str(header.get('content_hash'))[:12]}: the file was altered; {_REMAKE}"
        )
    if expect is not None and (differing := differences(expect, profile.model)):
        raise ProfileError(
            f"{origin} was made for another model ({profile.model.name}; this one is "
            f"{expect.name}): {differing}; run `langsteer profile {expect.name}`"
        )
    return profile


def created(data: bytes, origin: str) -> str:
    """When a profile file was written, ISO 8601."""
    return str(_header(data, origin).get("created", ""))


def list_profiles(
    folder: Path, expect: ModelIdentity | None = None
) -> tuple[dict[str, Profile], list[ProfileError]]:
    """(profiles by language, one error a file that is none) of `folder`.

    The caller decides whether an error is fatal. A folder without any profile file is one, as
    are two files of one language (tags differ in case only); the first is kept.

    Raises:
        ProfileError: `folder` is not a readable folder.
    """
    try:
        files = sorted(f for f in folder.iterdir() if not f.name.startswith("."))
    except OSError as error:
        raise ProfileError(
            f"no profile folder {folder} ({error.strerror or error}); make one with "
            f"`langsteer profile MODEL --out {folder}`"
        ) from error
    files = [f for f in files if f.suffix == SUFFIX]
    good: dict[str, Profile] = {}
    errors: list[ProfileError] = []
    for file in files:
        try:
            profile = read(file, expect)
            if any(profile.language.lower() == known.lower() for known in good):
                raise ProfileError(f"{file}: another file already holds {profile.language!r}")
            good[profile.language] = profile
        except ProfileError as error:
            errors.append(error)
    if not files:
        errors.append(
            ProfileError(
                f"{folder} holds no profile files (*{SUFFIX}); make them with "
                f"`langsteer profile MODEL --out {folder}`"
            )
        )
    return good, errors


def _header(data: bytes, origin: str) -> dict[str, Any]:
    length = int.from_bytes(data[:8], "little")
    if len(data) < 8 or length > len(data) - 8:
        raise ProfileError(
            f"{origin}: truncated or not a safetensors file ({len(data)} bytes); {_REMAKE}"
        )
    try:
        head = json.loads(data[8 : 8 + length])
        text = head["__metadata__"][_KEY]
        header = json.loads(text)
    except (ValueError, KeyError, TypeError, RecursionError) as error:
        raise ProfileError(
            f"{origin}: not a langsteer profile (no {_KEY!r} metadata in a safetensors header); "
            f"{_REMAKE}"
        ) from error
    if not isinstance(header, dict):
        raise ProfileError(f"{origin}: its {_KEY!r} metadata is not a JSON object; {_REMAKE}")
    return header


def _text(header: Mapping[str, Any], key: str) -> str:
    value = header.get(key)
    if not isinstance(value, str):
        raise ProfileError(f"metadata field {key!r} is {value!r}, expected text")
    return value


def _identity(value: Any) -> ModelIdentity:
    if not isinstance(value, Mapping):
        raise ProfileError("metadata names no model")
    fields = ModelIdentity.__dataclass_fields__
    if set(value) != set(fields):
        wrong = ", ".join(sorted(set(value) ^ set(fields)))
        raise ProfileError(f"metadata of the model has missing or unknown fields: {wrong}")
    for key, kind in {k: int if f.type == "int" else str for k, f in fields.items()}.items():
        if type(value[key]) is not kind:
            raise ProfileError(
                f"metadata field model.{key} is {value[key]!r}, expected {kind.__name__}"
            )
    return ModelIdentity(**value)


def _edits(tensors: Mapping[str, Any]) -> dict[str, Edit | None]:
    left = dict(tensors)
    edits: dict[str, Edit | None] = {}
    for role in _ROLES:
        parts: dict[str, dict[str, Any]] = {}
        for kind, made in _KINDS.items():
            names = made.__dataclass_fields__
            have = {
                n: left.pop(f"{role}.{kind}.{n}") for n in names if f"{role}.{kind}.{n}" in left
            }
            if have and len(have) < len(names):
                missing = ", ".join(f"{role}.{kind}.{n}" for n in names if n not in have)
                raise ProfileError(f"tensors are missing: {missing}")
            parts[kind] = have
        found = {kind: _KINDS[kind](**fields) for kind, fields in parts.items() if fields}
        edits[role] = Edit(**found) if found else None
    if left:
        raise ProfileError(f"unknown tensors: {', '.join(sorted(left))}")
    return edits


def _check_name(file: Path, language: str) -> None:
    if file.name != f"{language}{SUFFIX}":
        raise ProfileError(
            f"{file} holds language {language!r}, so its name must be {language}{SUFFIX}"
        )
