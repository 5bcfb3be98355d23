"""What comes from elsewhere, at random: refused or taken, never anything else."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from hypothesis import given, settings
from hypothesis import strategies as st
from markdown_it import MarkdownIt

from profiles.errors import LangsteerError, SharingError
from profiles.sharing.address import parse_address
from profiles.sharing.keys import PublicKeys
from profiles.sharing.markdown import plain
from profiles.sharing.names import check_path, language_of
from profiles.sharing.signer import make_keys
from profiles.sharing.sums import parse_sums

_LINE = st.builds(lambda digest, name: f"{digest}  {name}", st.just("a" * 64), st.text())
_PARTS = st.lists(st.sampled_from(["..", ".", "", "a", "\\", "C:", "de.safetensors", "\0", "/"]))


@given(st.one_of(_PARTS.map("/".join), st.text()))
def test_no_path_leaves(path: str) -> None:
    try:
        check_path(path, "there")
    except SharingError:
        return
    assert not PurePosixPath(path).is_absolute()
    assert ".." not in PurePosixPath(path).parts
    assert (Path("/x") / path).parts[:2] == ("/", "x")


@given(st.text())
def test_a_profiles_name_is_a_name(name: str) -> None:
    if language_of(name) is not None:
        assert Path(name).name == name


@given(
    st.one_of(
        st.binary(), st.lists(_LINE).map(lambda lines: "\n".join(lines).encode("utf-8", "replace"))
    )
)
def test_sums(data: bytes) -> None:
    try:
        found = parse_sums(data, "SHA256SUMS")
    except SharingError:
        return
    assert all(len(digest) == 64 for digest in found.values())


@given(
    st.one_of(
        st.text(),
        st.sampled_from(["hf://", "https://", "http://"]).flatmap(
            lambda scheme: st.text().map(lambda rest: scheme + rest)
        ),
    )
)
def test_addresses(text: str) -> None:
    try:
        parse_address(text)
    except LangsteerError:
        return


@settings(max_examples=50)
@given(data=st.one_of(st.binary(), st.lists(st.binary(), min_size=4, max_size=4).map(b"\n".join)))
def test_signatures(data: bytes, tmp_path_factory: object) -> None:
    public = _public(tmp_path_factory)
    try:
        public.check(b"data", data, "de.safetensors")
    except SharingError:
        return
    raise AssertionError("a signature nobody made")


@given(st.text(alphabet=st.sampled_from("<>[]()|*_`~!#\\&\"' \n\r\thttp:/w.a-@$;\u202e\x1b")))
def test_text_of_others(text: str) -> None:
    page = f"| a | b |\n| --- | --- |\n| {plain(text)} | last |\n"
    html = MarkdownIt("commonmark", {"html": True}).enable("table").render(page)
    rest = html
    for tag in ("table", "thead", "tbody", "tr", "th", "td"):
        rest = rest.replace(f"<{tag}>", "").replace(f"</{tag}>", "")
    assert "<" not in rest
    assert html.count("<td>") == 2


def _public(factory: object) -> PublicKeys:
    if not hasattr(_public, "keys"):
        folder = factory.mktemp("keys")  # type: ignore[attr-defined]
        _public.keys = PublicKeys.read(make_keys(folder / "k", "")[1])  # type: ignore[attr-defined]
    return _public.keys  # type: ignore[attr-defined, no-any-return]
