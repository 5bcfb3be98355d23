"""Stores as files: what is written is read, and nothing else is."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import numpy as np
import pytest

from profiles.inside.memories.files import _arrays, default_place, read_store, save_store
from profiles.inside.memories.memory_store import MemoryStore, MemoryStoreError
from profiles.inside.memories.whole import check_whole
from tests.profiles.inside.memories.conftest import Made


def test_round_trip(llama: Made, tmp_path: Path) -> None:
    _, store = llama
    file = tmp_path / "new" / "store.safetensors"
    save_store(store, file)
    found = read_store(file, store.model)
    for name, array in _arrays(store).items():
        np.testing.assert_array_equal(_arrays(found)[name], array)
    for field in ("model", "languages", "about"):
        assert getattr(found, field) == getattr(store, field)
    assert found.groups.scripts == store.groups.scripts
    assert [f.name for f in file.parent.iterdir()] == [file.name]
    without = replace(store, said=None)
    save_store(without, file)
    assert read_store(file).said is None
    with pytest.raises(MemoryStoreError, match=r"made with --no-values.*inspect collect"):
        read_store(file).values()


def test_what_is_collected_fits_together(made: Made) -> None:
    check_whole(made[1])


def test_the_default_place_is_the_models(llama: Made, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LANGSTEER_CACHE", "/some/cache")
    model = llama[1].model
    place = default_place(model)
    assert place.parent == Path("/some/cache/memories")
    assert default_place(replace(model, name="another name")) == place
    assert default_place(replace(model, weights="f" * 64)) != place


def test_what_is_no_store(llama: Made, tmp_path: Path) -> None:
    _, store = llama
    file = tmp_path / "s.safetensors"

    def message(data: bytes) -> str:
        file.write_bytes(data)
        with pytest.raises(MemoryStoreError) as caught:
            read_store(file, store.model)
        assert "langsteer inspect collect" in str(caught.value)
        return str(caught.value)

    with pytest.raises(MemoryStoreError, match=r"no store of memories at .*inspect collect"):
        read_store(file, store.model)
    save_store(store, file)
    whole = file.read_bytes()
    assert "truncated or not a safetensors file (3 bytes)" in message(b"abc")
    assert "truncated" in message(whole[:100])
    assert "is damaged" in message(whole[:-10])
    assert "is damaged (digest" in message(whole[:-4] + b"\x01\x02\x03\x04")
    assert "not a store of memories" in message(
        whole.replace(b"langsteer-memories", b"langsteer-memoriez")
    )
    assert "format version 9" in message(
        whole.replace(b'\\"format_version\\": 2', b'\\"format_version\\": 9')
    )


@pytest.mark.parametrize(
    ("was", "becomes"),
    [
        (r"\"de\"", r"\"xx\""),
        (r"\"positions\": ", r"\"pos1t1ons\": "),
        (r"\"Latin\"", r"\"Greek\""),
        (r"\"seed\": 0", r"\"seed\": 1"),
    ],
)
def test_an_altered_header_is_refused(llama: Made, tmp_path: Path, was: str, becomes: str) -> None:
    _, store = llama
    file = tmp_path / "s.safetensors"
    save_store(store, file)
    whole = file.read_bytes()
    assert was.encode() in whole
    file.write_bytes(whole.replace(was.encode(), becomes.encode()))
    with pytest.raises(MemoryStoreError, match=r"is damaged \(digest .* expected .*collect"):
        read_store(file, store.model)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda s: replace(s, languages=s.languages[:1]), "text.labels goes from 0 to 2, of 1"),
        (lambda s: replace(s, languages=("[/x]", *s.languages[1:])), "languages: .*x"),
        (lambda s: replace(s, groups=replace(s.groups, scripts=())), "groups.script goes"),
        (lambda s: replace(s, about={}), "about: no corpus"),
        (lambda s: replace(s, about={**s.about, "corpus": {}}), "about: no source"),
        (lambda s: replace(s, text=replace(s.text, starts=s.text.starts[:-1])), "text.starts is"),
        (lambda s: replace(s, scores=replace(s.scores, ap=s.scores.ap[:, :1])), "scores.ap is"),
        (
            lambda s: replace(s, triggers=replace(s.triggers, high_at=s.triggers.high_at + 10**6)),
            "triggers.high_at goes",
        ),
    ],
)
def test_parts_that_do_not_fit_are_refused(
    llama: Made, tmp_path: Path, change: Callable[[MemoryStore], MemoryStore], message: str
) -> None:
    """Whoever wrote it: the digest is right, and looking things up would fail."""
    _, store = llama
    file = tmp_path / "s.safetensors"
    save_store(change(store), file)
    with pytest.raises(MemoryStoreError, match=rf"is damaged \({message}.*inspect collect"):
        read_store(file, store.model)


def test_the_store_of_another_model(llama: Made, tmp_path: Path) -> None:
    _, store = llama
    file = tmp_path / "s.safetensors"
    save_store(store, file)
    other = replace(store.model, name="other", weights="f" * 64)
    with pytest.raises(MemoryStoreError, match=r"is of another model .*weights .*expected ffff"):
        read_store(file, other)


def test_a_failed_write_leaves_what_was_there(
    llama: Made, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, store = llama
    file = tmp_path / "s.safetensors"
    save_store(store, file)
    before = file.read_bytes()

    def fails(*_: object) -> None:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(Path, "replace", fails)
        with pytest.raises(MemoryStoreError, match="No space left"):
            save_store(store, file)
    assert file.read_bytes() == before
    assert [f.name for f in tmp_path.iterdir()] == [file.name]


def test_every_array_of_a_part_is_in_the_file(llama: Made) -> None:
    _, store = llama
    for part in ("triggers", "scores", "sampled", "text", "pieces"):
        for field in fields(getattr(store, part)):
            assert f"{part}.{field.name}" in _arrays(store)


def test_looking_things_up_needs_no_torch() -> None:
    names = ("files", "neuron_account", "layer_account", "screen", "screen_layers")
    imports = "; ".join(f"import profiles.inside.memories.{name}" for name in names)
    code = f"import sys; {imports}; assert 'torch' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)
