from __future__ import annotations

import pytest

from profiles.errors import SharingError
from profiles.sharing.listing import Listing, SharedFile, make_listing
from profiles.sharing.names import check_path, language_of
from profiles.sharing.sums import format_sums, parse_sums

HOSTILE = [
    "../de.safetensors",
    "/etc/cron.d/de.safetensors",
    "a/../../de.safetensors",
    "a//de.safetensors",
    "..\\de.safetensors",
    "C:de.safetensors",
    "de.safetensors\0.txt",
    "de\x1b[2J.safetensors",
    "",
    ".",
    "x" * 401,
]


@pytest.mark.parametrize("name", HOSTILE)
def test_a_name_that_leaves_its_folder_is_refused(name: str) -> None:
    with pytest.raises(SharingError, match="could end up outside"):
        check_path(name, "there")
    with pytest.raises(SharingError, match="could end up outside"):
        make_listing("there", None, [SharedFile(name=name)])


def test_only_languages_spelled_as_ours_are_profiles() -> None:
    assert language_of("de.safetensors") == "de"
    assert language_of("zh-Hans.safetensors") == "zh-Hans"
    for other in ("DE.safetensors", "model.safetensors", "de.bin", ".de.safetensors", "de"):
        assert language_of(other) is None


def test_digests_become_file_names_and_are_checked() -> None:
    for digest in ("../../x", "A" * 64, "a" * 63, 7):
        with pytest.raises(SharingError, match="sha256"):
            SharedFile(name="de.safetensors", sha256=digest)  # type: ignore[arg-type]
    with pytest.raises(SharingError, match="size"):
        SharedFile(name="de.safetensors", size=-1)


def test_a_listing_keeps_its_folder_and_refuses_two_of_a_language() -> None:
    files = [SharedFile(name=n) for n in ("de.safetensors", "plots/de.safetensors", "README.md")]
    found = make_listing("there", "a" * 40, files)
    assert [*found.files] == ["de.safetensors", "README.md"]
    assert found.languages == ["de"]
    assert Listing.from_json(found.to_json()) == found
    with pytest.raises(SharingError, match="has no profile of fr; it has de"):
        found.choose(["fr"])
    with pytest.raises(SharingError, match=r"holds no profiles .* it has README\.md"):
        make_listing("there", None, files[2:]).choose()
    with pytest.raises(SharingError, match="over 10000 files"):
        make_listing("there", None, (SharedFile(name=f"{n}.txt") for n in range(10_002)))


def test_sums() -> None:
    sums = {"de.safetensors": "a" * 64, "ja.safetensors": "b" * 64}
    assert parse_sums(format_sums(sums), "SHA256SUMS") == sums
    assert parse_sums(f"# made by hand\n{'A' * 64} *./de.safetensors\n".encode(), "x") == {
        "de.safetensors": "a" * 64
    }
    for bad, words in [
        (b"\xff\xfe", "not text"),
        (b"<html>log in</html>", "line 1: '<html>"),
        (f"{'a' * 64}  ../x".encode(), "outside its folder"),
        (f"{'a' * 64}  x\n{'b' * 64}  x".encode(), "twice"),
    ]:
        with pytest.raises(SharingError, match=words):
            parse_sums(bad, "SHA256SUMS")
