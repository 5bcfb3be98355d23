"""The Hub's own client against a stand-in of the Hub."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from profiles import store
from profiles.errors import SharingError
from profiles.profile import Profile
from profiles.progress import progress
from profiles.sharing.address import HubAddress, parse_address
from profiles.sharing.card import MARK, Terms
from profiles.sharing.fetcher import Fetcher
from profiles.sharing.hub_client import hub_client
from profiles.sharing.hub_target import HubTarget
from profiles.sharing.pull import pull
from profiles.sharing.push import Pushed, push
from profiles.sharing.signer import Signer
from tests.profiles.sharing.hub_server import Hub
from tests.profiles.sharing.test_pull import at, names

MakeFolder = Callable[..., Path]
TERMS = Terms(licence="apache-2.0", base_model="google/gemma-3-270m")
REPO = "me/steering"


@contextmanager
def target(address: str = f"hf://{REPO}", *, create: bool = True) -> Iterator[HubTarget]:
    parsed = parse_address(address)
    assert isinstance(parsed, HubAddress)
    with Fetcher() as fetcher:
        yield HubTarget(
            parsed,
            hub_client(),
            fetcher,
            lambda title: progress(title, True),
            create=create,
            private=False,
        )


def publish(folder: Path, address: str = f"hf://{REPO}", **options: Any) -> Pushed:
    create = options.pop("create", True)
    with at(folder) as source, target(address, create=create) as place:
        return push(source, place, TERMS, address=address, **options)


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


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
    again = publish(folder, draw=card_plots)
    assert again.files["plots/target.png"] == picture
    assert len(hub.repos[REPO].commits) == 2


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
