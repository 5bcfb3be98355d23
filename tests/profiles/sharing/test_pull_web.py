"""From web servers into a folder."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from profiles import store
from profiles.errors import ProfileError, SharingError
from profiles.profile import Profile
from profiles.sharing.digest import sha256
from profiles.sharing.keys import PublicKeys
from profiles.sharing.pull import pull
from profiles.sharing.signer import Signer
from tests.profiles.sharing.acts import at, names, serve, sign
from tests.profiles.sharing.web_server import Answer, WebServer


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
