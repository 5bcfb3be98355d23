"""Publishing on a stand-in of the Hub."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from profiles import store
from profiles.errors import SharingError
from profiles.profile import Profile
from profiles.sharing.card import MARK
from profiles.sharing.hub_target import HubTarget
from profiles.sharing.signer import Signer
from tests.profiles.sharing.acts import REPO, MakeFolder, publish
from tests.profiles.sharing.hub_server import Hub


def test_pushing_again_changes_nothing(hub: Hub, folder: Path, signer: Signer) -> None:
    publish(folder, signer=signer)
    again = publish(folder, signer=signer)
    assert [change.outcome for change in again.changes] == ["unchanged", "unchanged"]
    assert len(hub.repos[REPO].commits) == 2


def test_another_version_needs_force(
    hub: Hub, folder: Path, make_folder: MakeFolder, stronger: Profile
) -> None:
    publish(folder)
    new = make_folder("new", stronger)
    with pytest.raises(SharingError, match=f"this is de@{stronger.version}; --force"):
        publish(new)
    assert len(hub.repos[REPO].commits) == 2
    done = publish(new, force=True)
    assert done.changes[0].outcome == "replaced"
    card = hub.repos[REPO].head.files["README.md"].decode()
    assert stronger.version in card
    assert "| ja (Japanese) |" in card  # the card is of all that is there


def test_a_signature_goes_with_what_it_signed(
    hub: Hub, folder: Path, make_folder: MakeFolder, stronger: Profile, signer: Signer
) -> None:
    publish(folder, signer=signer)
    with pytest.raises(SharingError, match="de@"):
        publish(make_folder("new", stronger))
    publish(folder.with_name("new"), force=True)
    assert "de.safetensors.minisig" not in hub.repos[REPO].head.files
    assert "ja.safetensors.minisig" in hub.repos[REPO].head.files


def test_a_card_of_somebodys_own_stays(hub: Hub, folder: Path) -> None:
    hub.add(REPO, {"README.md": b"---\nlicense: mit\n---\nMine."})
    done = publish(folder)
    assert done.card is None
    assert "stays" in done.notes[0]
    assert hub.repos[REPO].head.files["README.md"].endswith(b"Mine.")
    publish(folder, force=True)
    assert MARK.encode() in hub.repos[REPO].head.files["README.md"]


def test_a_dry_run_asks_and_writes_nothing(hub: Hub, folder: Path) -> None:
    done = publish(folder, dry_run=True)
    assert REPO not in hub.repos
    assert done.card
    assert set(done.files) == {"README.md", "de.safetensors", "ja.safetensors"}
    assert {method for method, _, _ in hub.asked} == {"GET"}


def test_a_repository_is_made_when_asked_only(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(SharingError, match="--create makes it"):
        publish(folder, create=False)
    monkeypatch.setenv("HF_TOKEN", "hf_bad")
    with pytest.raises(SharingError, match="cannot create"):
        publish(folder)
    hub.add(REPO, {})
    with pytest.raises(SharingError, match="HF_TOKEN must be allowed to write"):
        publish(folder)


def test_somebody_elses_commit_meanwhile(
    hub: Hub, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    repo = hub.add(REPO, {})
    written = HubTarget.write

    def late(self: HubTarget, files: Any, message: str) -> str:
        repo.commit({**repo.head.files, "de.safetensors": b"theirs"})
        return written(self, files, message)

    monkeypatch.setattr(HubTarget, "write", late)
    with pytest.raises(SharingError, match="changed it meanwhile: run this again"):
        publish(folder)
    assert repo.head.files["de.safetensors"] == b"theirs"


def test_another_model_gets_another_repository(
    hub: Hub, folder: Path, make_folder: MakeFolder, german: Profile
) -> None:
    publish(folder)
    other = replace(german, language="fr", model=replace(german.model, weights="c" * 64))
    with pytest.raises(SharingError, match="different models"):
        publish(make_folder("other", other), force=True)
    publish(folder.with_name("other"), f"hf://{REPO}/other")
    assert "other/fr.safetensors" in hub.repos[REPO].head.files
    assert "other/README.md" in hub.repos[REPO].head.files


def test_plots_go_along(hub: Hub, folder: Path) -> None:
    pytest.importorskip("matplotlib")
    from profiles.sharing.card_plots import card_plots

    publish(folder, draw=card_plots)
    picture = hub.repos[REPO].head.files["plots/target.png"]
    assert picture.startswith(b"\x89PNG")
    profiles = [store.read(file) for file in sorted(folder.iterdir())]
    assert card_plots(profiles) == {"target": picture}  # the same again: no commit for nothing
    assert "](plots/target.png)" in hub.repos[REPO].head.files["README.md"].decode()


def test_the_cards_metadata(hub: Hub, folder: Path) -> None:
    publish(folder)
    card = hub.repos[REPO].head.files["README.md"].decode()
    assert yaml.safe_load(card.split("---")[1]) == {
        "license": "apache-2.0",
        "base_model": "google/gemma-3-270m",
        "language": ["de", "ja"],
        "library_name": "langsteer",
        "tags": ["langsteer", "steering", "language-steering"],
    }
    assert f"langsteer profiles pull hf://{REPO} --into profiles" in card
