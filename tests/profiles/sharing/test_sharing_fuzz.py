"""What comes from elsewhere, at random: refused or taken, never anything else."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from profiles.errors import LangsteerError, SharingError
from profiles.sharing.address import parse_address
from profiles.sharing.keys import PublicKeys
from profiles.sharing.markdown import plain
from profiles.sharing.names import check_path, language_of
from profiles.sharing.signer import make_keys
from profiles.sharing.sums import parse_sums
from tests.fuzz import cases

_PARTS = st.lists(st.sampled_from(["..", ".", "", "a", "\\", "C:", "de.safetensors", "\0", "/"]))
_SCHEMES = st.sampled_from(["", "hf://", "https://", "http://"])
_LINES = st.lists(st.builds(lambda name: f"{'a' * 64}  {name}", st.text()))
_PIECES = st.lists(st.binary(), min_size=4, max_size=4)


@pytest.fixture(scope="module")
def public(tmp_path_factory: pytest.TempPathFactory) -> PublicKeys:
    return PublicKeys.read(make_keys(tmp_path_factory.mktemp("keys") / "k", "")[1])


@cases(60)
@given(st.one_of(_PARTS.map("/".join), st.text()))
def test_no_path_leaves(path: str) -> None:
    try:
        check_path(path, "there")
    except SharingError:
        return
    assert not PurePosixPath(path).is_absolute()
    assert ".." not in PurePosixPath(path).parts
    assert (Path("/x") / path).parts[:2] == ("/", "x")


@cases(60)
@given(st.text())
def test_a_profiles_name_is_a_name(name: str) -> None:
    if language_of(name) is not None:
        assert Path(name).name == name


@cases(60)
@given(
    st.one_of(st.binary(), _LINES.map(lambda lines: "\n".join(lines).encode("utf-8", "replace")))
)
def test_sums(data: bytes) -> None:
    try:
        found = parse_sums(data, "SHA256SUMS")
    except SharingError:
        return
    assert all(len(digest) == 64 for digest in found.values())


@cases(60)
@given(st.builds(str.__add__, _SCHEMES, st.text()))
def test_addresses(text: str) -> None:
    try:
        parse_address(text)
    except LangsteerError:
        return


@cases(60)
@given(data=st.one_of(st.binary(), _PIECES.map(b"\n".join)))
def test_signatures(public: PublicKeys, data: bytes) -> None:
    with pytest.raises(SharingError):
        public.check(b"data", data, "de.safetensors")


@cases(60)
@given(st.text(alphabet=st.sampled_from("<>[]()|*_`~!#\\&\"' \n\r\thttp:/w.a-@$;\u202e\x1b")))
def test_text_of_others(text: str) -> None:
    page = f"| a | b |\n| --- | --- |\n| {plain(text)} | last |\n"
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(page)
    rest = html
    for tag in ("table", "thead", "tbody", "tr", "th", "td"):
        rest = rest.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    assert "<" not in rest
    assert html.count("<td>") == 2
