"""From folders and web servers into a folder."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from profiles import store
from profiles.errors import LangsteerError, ProfileError, SharingError
from profiles.profile import Profile
from profiles.progress import progress
from profiles.sharing.digest import sha256
from profiles.sharing.folder_target import FolderTarget
from profiles.sharing.keys import PublicKeys
from profiles.sharing.open_source import open_source
from profiles.sharing.pull import pull
from profiles.sharing.signer import Signer, make_keys
from profiles.sharing.source import Source
from profiles.sharing.sums import format_sums
from tests.profiles.sharing.web_server import Answer, WebServer

MakeFolder = Callable[..., Path]


@contextmanager
def at(
    address: object, *, offline: bool = False, allowed: tuple[str, ...] = ()
) -> Iterator[Source]:
    with open_source(
        str(address), offline=offline, allowed=allowed, stage=lambda title: progress(title, True)
    ) as source:
        yield source


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def sign(folder: Path, signer: Signer) -> None:
    for file in folder.glob("*.safetensors"):
        signature = signer.sign(file.read_bytes(), file.name, file.stem)
        file.with_name(f"{file.name}.minisig").write_bytes(signature)


def serve(web: WebServer, folder: Path, at: str = "/p/") -> str:
    """The folder on the web, with sums; the address."""
    files = {file.name: file.read_bytes() for file in folder.iterdir()}
    sums = {name: sha256(data) for name, data in files.items() if name.endswith(".safetensors")}
    web.files |= {f"{at}{name}": data for name, data in files.items()}
    web.files[f"{at}SHA256SUMS"] = format_sums(sums)
    return f"{web.url}{at}"


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
    import os

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


def test_a_web_server(web: WebServer, folder: Path, tmp_path: Path, signer: Signer) -> None:
    sign(folder, signer)
    address = serve(web, folder)
    with at(address.rstrip("/")) as source:
        pull(source, tmp_path / "into")
    assert len(names(tmp_path / "into")) == 4
    fetched = len(web.asked)
    with at(f"{address}de.safetensors") as source:
        (change,) = pull(source, tmp_path / "one")
    assert change.artefact.signature
    # The sums and the signature again; the profile by its digest from the cache.
    assert [asked.path for asked in web.asked[fetched:]] == [
        "/p/SHA256SUMS",
        "/p/de.safetensors.minisig",
    ]


def test_without_a_network(web: WebServer, folder: Path, tmp_path: Path) -> None:
    address = serve(web, folder)
    with (
        at(address, offline=True) as source,
        pytest.raises(SharingError, match="without --offline"),
    ):
        pull(source, tmp_path / "into")
    with at(f"{address}de.safetensors") as source:
        pull(source, tmp_path / "one")
    web.files.clear()
    asked = len(web.asked)
    with at(f"{address}de.safetensors", offline=True) as source:
        pull(source, tmp_path / "two")
    with at(address, offline=True) as source, pytest.raises(SharingError, match="not fetched yet"):
        pull(source, tmp_path / "all")
    assert len(web.asked) == asked
    assert names(tmp_path / "two") == ["de.safetensors"]


def test_a_damaged_cache_is_fetched_again(web: WebServer, folder: Path, tmp_path: Path) -> None:
    address = serve(web, folder)
    with at(address) as source:
        pull(source, tmp_path / "into")
    for blob in (tmp_path / "cache" / "profiles" / "files").glob("sha256-*"):
        if not blob.name.endswith(".lock"):
            blob.write_bytes(b"junk")
    with at(address) as source:
        pull(source, tmp_path / "into2")
    assert names(tmp_path / "into2") == ["de.safetensors", "ja.safetensors"]


def test_a_half_of_another_file_is_begun_anew(web: WebServer, folder: Path, tmp_path: Path) -> None:
    address = serve(web, folder)
    data = (folder / "de.safetensors").read_bytes()
    files = tmp_path / "cache" / "profiles" / "files"
    files.mkdir(parents=True)
    for half in (b"\0" * 100, b"\0" * len(data)):
        (files / f"sha256-{sha256(data)}.part").write_bytes(half)
        with at(f"{address}de.safetensors") as source:
            pull(source, tmp_path / "into", force=True)
        (files / f"sha256-{sha256(data)}").unlink()
    assert (tmp_path / "into" / "de.safetensors").read_bytes() == data


def test_a_header_that_would_fill_the_memory(folder: Path, tmp_path: Path) -> None:
    for length in (17 << 20, 1 << 62):
        data = length.to_bytes(8, "little") + b"{" * 100
        (folder / "ja.safetensors").write_bytes(data)
        with at(folder) as source, pytest.raises(ProfileError, match="begins with a header of"):
            pull(source, tmp_path / "into")


def test_a_tampered_file(web: WebServer, folder: Path, tmp_path: Path) -> None:
    address = serve(web, folder)
    web.files["/p/ja.safetensors"] = web.files["/p/ja.safetensors"][:-1] + b"x"  # type: ignore[index, operator]
    with at(address) as source, pytest.raises(SharingError, match="altered, or damaged") as error:
        pull(source, tmp_path / "into")
    assert "ja.safetensors has SHA-256" in str(error.value)
    assert not (tmp_path / "into").exists()


def test_tampered_metadata_with_sums_that_fit(
    web: WebServer,
    folder: Path,
    tmp_path: Path,
    german: Profile,
    keys: tuple[Path, Path],
    signer: Signer,
) -> None:
    sign(folder, signer)
    store.save(replace(german, provenance={"method": "magic"}), folder)
    address = serve(web, folder)
    with at(address) as source:  # the content hash does not cover it
        pull(source, tmp_path / "unsigned")
    with at(address) as source, pytest.raises(SharingError, match="altered after key"):
        pull(source, tmp_path / "into", keys=PublicKeys.read(keys[1]))


def test_an_index_that_leaves_the_folder(web: WebServer, folder: Path, tmp_path: Path) -> None:
    address = serve(web, folder)
    web.files["/p/SHA256SUMS"] = f"{'a' * 64}  ../../de.safetensors\n".encode()
    with at(address) as source, pytest.raises(SharingError, match="outside its folder"):
        pull(source, tmp_path / "into")


def test_no_sums(web: WebServer, folder: Path, tmp_path: Path) -> None:
    data = (folder / "de.safetensors").read_bytes()
    web.files["/p/de.safetensors"] = data
    for address in (f"{web.url}/p/", f"{web.url}/p/de.safetensors"):
        with at(address) as source, pytest.raises(SharingError, match="a folder needs one"):
            pull(source, tmp_path / "into")
    with at(f"{web.url}/p/de.safetensors#sha256={sha256(data)}") as source:
        pull(source, tmp_path / "into")
    with (
        at(f"{web.url}/p/de.safetensors#sha256={'0' * 64}") as source,
        pytest.raises(SharingError, match="expected 0000"),
    ):
        pull(source, tmp_path / "into2")


def test_a_page_to_log_in_at(web: WebServer, tmp_path: Path) -> None:
    page = Answer(b"<html>log in</html>", headers={"Content-Type": "text/html"})
    web.files["/p/SHA256SUMS"] = page
    with at(f"{web.url}/p/") as source, pytest.raises(SharingError, match="web page"):
        pull(source, tmp_path / "into")
    web.files["/p/SHA256SUMS"] = Answer(b"<html>log in</html>")
    with at(f"{web.url}/p/") as source, pytest.raises(SharingError, match="line 1: '<html>"):
        pull(source, tmp_path / "into")


def test_redirects_to_another_host(web: WebServer, folder: Path, tmp_path: Path) -> None:
    serve(web, folder, "/real/")
    for name in ("SHA256SUMS", "de.safetensors", "ja.safetensors"):
        there = {"Location": f"http://localhost:{web.port}/real/{name}"}
        web.files[f"/p/{name}"] = Answer(status=302, headers=there)
    with at(f"{web.url}/p/") as source, pytest.raises(SharingError, match="--allow-host localhost"):
        pull(source, tmp_path / "into")
    with at(f"{web.url}/p/", allowed=(f"localhost:{web.port}",)) as source:
        pull(source, tmp_path / "into")


def test_the_token_is_sent(
    web: WebServer, folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LANGSTEER_PROFILES_TOKEN", "s3cret")
    with at(serve(web, folder)) as source:
        pull(source, tmp_path / "into")
    assert {asked.headers["authorization"] for asked in web.asked} == {"Bearer s3cret"}


def test_a_long_index(web: WebServer, tmp_path: Path) -> None:
    web.files["/p/SHA256SUMS"] = Answer(b"#" * (1 << 20) + b"#" * 100)
    with at(f"{web.url}/p/") as source, pytest.raises(SharingError, match="longer than 1048576"):
        pull(source, tmp_path / "into")


@pytest.mark.parametrize(
    ("address", "words"),
    [
        ("https://x.org/model.safetensors", "no profile's name"),
        ("https://x.org/p/?sig=1", "go with the address of one file"),
        ("https://x.org/de.safetensors?sig=1", "add #sha256="),
        ("hf://me/mine/model.safetensors", "profiles' files are"),
    ],
)
def test_addresses_of_no_profile(address: str, words: str) -> None:
    with pytest.raises(SharingError, match=words), at(address) as source:
        source.listing()


def test_writing_is_refused(folder: Path, tmp_path: Path) -> None:
    (tmp_path / "into").write_bytes(b"")
    with at(folder) as source, pytest.raises(SharingError, match="is a file"):
        pull(source, tmp_path / "into")
    with pytest.raises(LangsteerError, match="cannot write"):
        FolderTarget(Path("/proc/nowhere"), summed=False).write({"de.safetensors": b""}, "")
