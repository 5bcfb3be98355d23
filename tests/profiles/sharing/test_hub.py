"""The Hub's own client against a stand-in of the Hub."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from profiles import store
from profiles.errors import SharingError
from profiles.profile import Profile
from profiles.sharing.hub_client import hub_client
from profiles.sharing.pull import pull
from profiles.sharing.signer import Signer
from tests.profiles.sharing.acts import REPO, MakeFolder, at, content, names, publish
from tests.profiles.sharing.hub_server import Hub


def test_there_and_back(hub: Hub, folder: Path, tmp_path: Path, signer: Signer) -> None:
    done = publish(folder, signer=signer)
    repo = hub.repos[REPO]
    assert done.where == f"{hub.url}/{REPO}/commit/{repo.head.sha}"
    assert len(repo.commits) == 2  # the Hub's first, and one with all of ours
    assert sorted(repo.head.files) == [
        ".gitattributes",
        "README.md",
        "de.safetensors",
        "de.safetensors.minisig",
        "ja.safetensors",
        "ja.safetensors.minisig",
    ]
    assert repo.head.message.startswith("Add profiles: de@")
    with at(f"hf://{REPO}") as source:
        assert source.listing().revision == repo.head.sha
        changes = pull(source, tmp_path / "into")
    assert [change.outcome for change in changes] == ["new", "new"]
    for file in folder.iterdir():
        assert (tmp_path / "into" / file.name).read_bytes() == file.read_bytes()
    assert len(names(tmp_path / "into")) == 4


def test_the_hubs_client_reads_what_was_pushed(hub: Hub, folder: Path, tmp_path: Path) -> None:
    """The stand-in speaks the Hub's language, not one of ours."""
    from huggingface_hub import hf_hub_download
    from huggingface_hub.repocard import RepoCard

    publish(folder)
    file = hf_hub_download(REPO, "de.safetensors", endpoint=hub.url, cache_dir=tmp_path / "theirs")
    assert Path(file).read_bytes() == (folder / "de.safetensors").read_bytes()
    readme = hf_hub_download(REPO, "README.md", endpoint=hub.url, cache_dir=tmp_path / "theirs")
    card = RepoCard.load(readme)
    assert card.data.license == "apache-2.0"
    assert card.data.base_model == "google/gemma-3-270m"
    assert card.data.language == ["de", "ja"]
    listed = {file.path: file for file in hub_client().list_repo_tree(REPO)}
    assert (
        listed["de.safetensors"].lfs.sha256 == hashlib.sha256(Path(file).read_bytes()).hexdigest()
    )


def test_tokens_do_not_reach_the_contents_host(hub: Hub, folder: Path, tmp_path: Path) -> None:
    hub.add(REPO, content(folder))
    with at(f"hf://{REPO}") as source:
        pull(source, tmp_path / "into")
    assert [token for _, path, token in hub.asked if path.startswith("/cdn/")] == [False, False]
    assert all(token for _, path, token in hub.asked if "/resolve/" in path)


def test_revisions_and_folders(
    hub: Hub, folder: Path, make_folder: MakeFolder, stronger: Profile, tmp_path: Path
) -> None:
    files = content(folder)
    repo = hub.add(REPO, {f"tiny/{name}": data for name, data in files.items()})
    old = repo.head.sha
    new = content(make_folder("new", stronger))
    repo.commit({**repo.head.files, "tiny/de.safetensors": new["de.safetensors"]})
    with at(f"hf://{REPO}@{old}/tiny/de.safetensors") as source:
        (change,) = pull(source, tmp_path / "old")
    assert change.artefact.profile.version != stronger.version
    with at(f"hf://{REPO}/tiny") as source:
        pull(source, tmp_path / "now")
    assert store.read(tmp_path / "now" / "de.safetensors").version == stronger.version
    with at(f"hf://{REPO}") as source, pytest.raises(SharingError, match="holds no profiles"):
        pull(source, tmp_path / "x")
    with at(f"hf://{REPO}/big") as source, pytest.raises(SharingError, match="no such folder"):
        pull(source, tmp_path / "x")
    with at(f"hf://{REPO}@v9") as source, pytest.raises(SharingError, match="no such revision"):
        pull(source, tmp_path / "x")


def test_without_a_network(
    hub: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sha = hub.add(REPO, content(folder)).head.sha
    with at(f"hf://{REPO}") as source:
        pull(source, tmp_path / "one")
    asked = len(hub.asked)
    for address in (f"hf://{REPO}", f"hf://{REPO}@{sha}", f"hf://{REPO}/ja.safetensors"):
        with at(address, offline=True) as source:
            pull(source, tmp_path / "two")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with at(f"hf://{REPO}") as source:
        pull(source, tmp_path / "three")
    with at("hf://me/other") as source, pytest.raises(SharingError, match="not fetched yet"):
        pull(source, tmp_path / "four")
    assert len(hub.asked) == asked
    assert names(tmp_path / "two") == names(tmp_path / "three") == names(folder)


def test_repositories_that_are_not_there_or_private(
    hub: Hub, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    hub.add(REPO, content(folder)).private = True
    with at(f"hf://{REPO}") as source:
        pull(source, tmp_path / "into")
    monkeypatch.setenv("HF_TOKEN", "hf_bad")
    for name in (REPO, "me/nothing"):
        with at(f"hf://{name}") as source, pytest.raises(SharingError, match="or it is private"):
            pull(source, tmp_path / "into")


def test_nobody_there(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("HF_ENDPOINT", "http://127.0.0.1:9")
    with at(f"hf://{REPO}") as source, pytest.raises(SharingError, match="--offline takes"):
        pull(source, tmp_path / "into")
    monkeypatch.setenv("HF_ENDPOINT", "http://hub.example.org")
    with pytest.raises(SharingError, match="use https"), at(f"hf://{REPO}"):
        pass


@pytest.mark.parametrize(
    ("lie", "words"),
    [
        ({"sha256": "0" * 64}, "expected 0000"),
        ({"sha256": "../../../x"}, "is listed with sha256"),
        ({"size": 100}, "longer than the 100 bytes"),
        ({"size": 1 << 40}, "no profile has over"),
        ({"size": -1}, "is listed with size"),
    ],
)
def test_a_hub_that_lies(
    hub: Hub, folder: Path, tmp_path: Path, lie: dict[str, Any], words: str
) -> None:
    hub.add(REPO, content(folder)).lies["de.safetensors"] = lie
    with at(f"hf://{REPO}") as source, pytest.raises(SharingError, match=words):
        pull(source, tmp_path / "into")
    assert not (tmp_path / "into").exists()


@pytest.mark.parametrize("name", ["../de.safetensors", "/de.safetensors", "a/../de.safetensors"])
def test_names_that_leave_the_folder(hub: Hub, folder: Path, tmp_path: Path, name: str) -> None:
    hub.add(REPO, {**content(folder), name: b"x"})
    with at(f"hf://{REPO}") as source, pytest.raises(SharingError, match="outside its folder"):
        pull(source, tmp_path / "into")
