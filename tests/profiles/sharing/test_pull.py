"""From folders into a folder."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

import pytest

from profiles import store
from profiles.errors import LangsteerError, ProfileError, SharingError
from profiles.profile import Profile
from profiles.sharing.digest import sha256
from profiles.sharing.folder_target import FolderTarget
from profiles.sharing.keys import PublicKeys
from profiles.sharing.pull import pull
from profiles.sharing.signer import Signer, make_keys
from profiles.sharing.sums import format_sums
from tests.profiles.sharing.acts import MakeFolder, at, names, sign


def test_a_folder(folder: Path, tmp_path: Path) -> None:
    into = tmp_path / "new" / "into"
    with at(folder) as source:
        changes = pull(source, into)
    assert [(c.artefact.name, c.outcome) for c in changes] == [
        ("de.safetensors", "new"),
        ("ja.safetensors", "new"),
    ]
    assert names(into) == ["de.safetensors", "ja.safetensors"]
    assert (into / "de.safetensors").read_bytes() == (folder / "de.safetensors").read_bytes()
    with at(folder / "de.safetensors") as source:
        (again,) = pull(source, into)
    assert again.outcome == "unchanged"


def test_a_dry_run_writes_nothing(folder: Path, tmp_path: Path) -> None:
    with at(folder) as source:
        pull(source, tmp_path / "into", dry_run=True)
    assert not (tmp_path / "into").exists()


def test_some_languages(folder: Path, tmp_path: Path) -> None:
    with at(folder) as source:
        pull(source, tmp_path / "into", languages=["ja"])
        with pytest.raises(SharingError, match="no profile of fr; it has de, ja"):
            pull(source, tmp_path / "into", languages=["fr"])
    assert names(tmp_path / "into") == ["ja.safetensors"]


def test_another_version_needs_force(
    folder: Path, make_folder: MakeFolder, german: Profile, stronger: Profile
) -> None:
    into = make_folder("into", stronger)
    with at(folder) as source:
        with pytest.raises(SharingError, match=f"de@{stronger.version} is there.*--force"):
            pull(source, into)
        assert names(into) == ["de.safetensors"]
        changes = pull(source, into, force=True)
    assert changes[0].before == stronger.version
    assert store.read(into / "de.safetensors").version == german.version


def test_a_damaged_file_in_the_folder(folder: Path, make_folder: MakeFolder) -> None:
    into = make_folder("into")
    (into / "de.safetensors").write_bytes(b"junk")
    with at(folder) as source:
        with pytest.raises(ProfileError, match=r"into: de\.safetensors"):
            pull(source, into)
        pull(source, into, force=True)
    store.read(into / "de.safetensors")


def test_one_bad_profile_and_nothing_is_written(
    folder: Path, tmp_path: Path, german: Profile
) -> None:
    (folder / "ja.safetensors").write_bytes(store.dumps(german))
    with at(folder) as source, pytest.raises(ProfileError, match="put in another's place"):
        pull(source, tmp_path / "into")
    assert not (tmp_path / "into").exists()


def test_another_models_profiles(
    folder: Path, make_folder: MakeFolder, german: Profile, tmp_path: Path
) -> None:
    other = replace(german, language="fr", model=replace(german.model, weights="c" * 64))
    into = make_folder("into", other)
    with at(folder) as source:
        with pytest.raises(SharingError, match="different models: weights"):
            pull(source, into)
        with pytest.raises(ProfileError, match="made for another model"):
            pull(source, tmp_path / "new", expect=other.model)


def test_links_and_pipes(folder: Path, tmp_path: Path, german: Profile) -> None:
    secret = tmp_path / "secret"
    secret.write_bytes(b"mine")
    into = tmp_path / "into"
    into.mkdir()
    (into / "de.safetensors").symlink_to(secret)
    with at(folder) as source:
        pull(source, into, force=True)
    assert secret.read_bytes() == b"mine"
    assert not (into / "de.safetensors").is_symlink()
    (folder / "de.safetensors").unlink()
    os.mkfifo(folder / "de.safetensors")
    with at(folder) as source:  # what is no file is not listed, nor waited for
        assert source.listing().languages == ["ja"]


def test_sums_beside_the_files(folder: Path, tmp_path: Path) -> None:
    data = (folder / "de.safetensors").read_bytes()
    (folder / "SHA256SUMS").write_bytes(format_sums({"de.safetensors": sha256(data)}))
    with at(folder) as source:
        pull(source, tmp_path / "into")
    (folder / "SHA256SUMS").write_bytes(format_sums({"de.safetensors": "0" * 64}))
    with at(folder) as source, pytest.raises(SharingError, match=r"expected 0000.*SHA256SUMS"):
        pull(source, tmp_path / "into2")
    (folder / "de.safetensors").unlink()
    with at(folder) as source, pytest.raises(SharingError, match=r"lists de\.safetensors, which"):
        source.listing()


def test_signatures(folder: Path, tmp_path: Path, keys: tuple[Path, Path], signer: Signer) -> None:
    public = PublicKeys.read(keys[1])
    with at(folder) as source, pytest.raises(SharingError, match="is not signed"):
        pull(source, tmp_path / "into", keys=public)
    sign(folder, signer)
    with at(folder) as source:
        (one, _) = pull(source, tmp_path / "into", keys=public)
    assert one.artefact.comment
    assert len(names(tmp_path / "into")) == 4
    strangers = PublicKeys.read(make_keys(tmp_path / "stranger", "")[1])
    with at(folder) as source, pytest.raises(SharingError, match="is signed by key"):
        pull(source, tmp_path / "into2", keys=strangers)


def test_a_folder_may_demand_signatures(
    folder: Path, tmp_path: Path, keys: tuple[Path, Path], signer: Signer
) -> None:
    into = tmp_path / "into"
    into.mkdir()
    shutil.copy(keys[1], into / "profiles.pub")
    with at(folder) as source, pytest.raises(SharingError, match=r"profiles\.pub demands one"):
        pull(source, into)
    sign(folder, signer)
    with at(folder) as source:
        pull(source, into)


def test_a_signature_is_not_lost_unasked(
    folder: Path, tmp_path: Path, signer: Signer, german: Profile
) -> None:
    sign(folder, signer)
    into = tmp_path / "into"
    with at(folder) as source:
        pull(source, into)
    bare = tmp_path / "bare"
    bare.mkdir()
    store.save(replace(german, provenance={}), bare)
    with at(bare) as source:
        with pytest.raises(SharingError, match="is signed there, and not here"):
            pull(source, into)
        (change,) = pull(source, into, force=True)
    assert change.outcome == "updated"
    assert "de.safetensors.minisig" not in names(into)


def test_writing_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "into").write_bytes(b"")
    with at(folder) as source, pytest.raises(SharingError, match="is a file"):
        pull(source, tmp_path / "into")
    with pytest.raises(LangsteerError, match="cannot write"):
        FolderTarget(Path("/proc/nowhere"), summed=False).write({"de.safetensors": b""}, "")
