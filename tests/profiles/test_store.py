from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load, save

from profiles import store
from profiles.errors import ProfileError
from profiles.profile import ModelIdentity, Profile


def _altered(
    profile: Profile, header: dict[str, Any] | None = None, tensors: dict[str, Any] | None = None
) -> bytes:
    """The profile's bytes with other metadata or tensors; None removes a tensor."""
    data = store.dumps(profile)
    length = int.from_bytes(data[:8], "little")
    meta = json.loads(json.loads(data[8 : 8 + length])["__metadata__"]["langsteer"])
    arrays = load(data) | (tensors or {})
    return save(
        {k: v for k, v in arrays.items() if v is not None},
        metadata={"langsteer": json.dumps(meta | (header or {}))},
    )


def test_round_trip(german: Profile, tmp_path: Path, identity: ModelIdentity) -> None:
    file = store.save(german, tmp_path)
    assert file == tmp_path / "de.safetensors"
    back = store.read(file, identity)
    assert back.content_hash == german.content_hash
    assert back.model == german.model
    assert back.provenance == german.provenance
    for name, array in german.tensors().items():
        np.testing.assert_array_equal(back.tensors()[name], array)


def test_bytes_round_trip(german: Profile) -> None:
    assert store.loads(store.dumps(german), "wire").content_hash == german.content_hash


def test_saving_replaces_and_leaves_nothing_behind(german: Profile, tmp_path: Path) -> None:
    store.save(german, tmp_path)
    store.save(replace(german, suppress=None), tmp_path)
    assert [f.name for f in tmp_path.iterdir()] == ["de.safetensors"]
    assert store.read(tmp_path / "de.safetensors").suppress is None


def test_a_failed_save_keeps_the_old_file(
    german: Profile, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = store.save(german, tmp_path)
    before = file.read_bytes()

    def fail(_profile: Profile) -> bytes:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(store, "dumps", fail)
    with pytest.raises(ProfileError, match="No space left"):
        store.save(german, tmp_path)
    assert file.read_bytes() == before
    assert [f.name for f in tmp_path.iterdir()] == ["de.safetensors"]


def test_save_refuses_another_languages_name(german: Profile, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match=r"must be de\.safetensors"):
        store.save(german, tmp_path / "fr.safetensors")


def test_another_model(german: Profile, identity: ModelIdentity) -> None:
    store.loads(store.dumps(german), "f", replace(identity, name="renamed"))
    with pytest.raises(ProfileError, match=r"another model.*weights bbbb.*expected cccc") as error:
        store.loads(store.dumps(german), "f", replace(identity, weights="c" * 64))
    assert "langsteer profile" in str(error.value)


def test_every_truncation_is_refused(german: Profile) -> None:
    data = store.dumps(german)
    for length in range(0, len(data), 37):
        with pytest.raises(ProfileError, match="f: "):
            store.loads(data[:length], "f")


def test_every_flipped_tensor_byte_is_refused(german: Profile) -> None:
    data = store.dumps(german)
    start = 8 + int.from_bytes(data[:8], "little")
    for at in range(start, len(data)):
        broken = bytearray(data)
        broken[at] ^= 0x10
        with pytest.raises(ProfileError):
            store.loads(bytes(broken), "f")


def test_not_safetensors() -> None:
    for data in (b"", b"hello", b"{}" * 100, bytes(100), save({"a": np.zeros(2)})):
        with pytest.raises(ProfileError, match="f: "):
            store.loads(data, "f")


NAN = np.array([np.nan, 1], np.float32)


@pytest.mark.parametrize(
    ("header", "tensors", "message"),
    [
        ({"format_version": 2}, {}, "format version 2, this langsteer reads 1; update"),
        ({"format_version": None}, {}, "format version None"),
        ({"content_hash": "0" * 64}, {}, "content hash .* expected 000000000000"),
        ({"language": "fr"}, {}, "content hash"),
        ({"language": 7}, {}, "'language' is 7"),
        ({"language": "not a tag"}, {}, "not a BCP 47"),
        ({"model": None}, {}, "names no model"),
        ({"model": {"name": "x"}}, {}, "missing or unknown fields"),
        ({"provenance": None}, {}, "no provenance"),
        ({}, {"target.neurons.add": NAN}, "1 of 2 values are NaN"),
        ({}, {"target.neurons.add": np.array([0, -1e38], np.float32)}, r"1e\+38; .* at most 65504"),
        ({}, {"target.neurons.add": np.zeros(3, np.float32)}, r"shape \(3,\), expected \(2,\)"),
        ({}, {"target.neurons.add": np.zeros(2)}, "dtype float64"),
        ({}, {"target.neurons.layer": np.array([0, 9], np.int32)}, r"0\.\.9, the model has 0\.\.1"),
        ({}, {"target.neurons.layer": np.array(0, np.int32)}, "f: "),
        ({}, {"target.offsets.value": np.zeros((1, 5), np.float32)}, r"shape \(1, 5\)"),
        ({}, {"target.memories.key": np.zeros((2, 5), np.float32)}, r"shape \(2, 5\)"),
        ({}, {"target.memories.bias": NAN}, "1 of 2 values are NaN"),
        (
            {},
            {"target.memories.layer": np.array([1, 1], np.int32)},
            "a layer's memory is listed tw",
        ),
        ({}, {"target.memories.bias": None}, r"missing: target\.memories\.bias"),
        ({}, {"target.neurons.add": None}, r"missing: target\.neurons\.add"),
        ({}, {"extra": NAN}, "unknown tensors: extra"),
    ],
)
def test_damage_is_named(
    german: Profile, header: dict[str, Any], tensors: dict[str, Any], message: str
) -> None:
    with pytest.raises(ProfileError, match=message) as error:
        store.loads(_altered(german, header, tensors), "f")
    assert str(error.value).startswith("f: ")


def test_reading_odd_paths(german: Profile, tmp_path: Path) -> None:
    with pytest.raises(ProfileError, match="is a folder"):
        store.read(tmp_path)
    with pytest.raises(ProfileError, match="cannot read"):
        store.read(tmp_path / "de.safetensors")
    file = store.save(german, tmp_path)
    (tmp_path / "sub").mkdir()
    link = tmp_path / "sub" / "de.safetensors"
    link.symlink_to(file)
    assert store.read(link).language == "de"
    file.rename(tmp_path / "fr.safetensors")
    with pytest.raises(ProfileError, match=r"holds language 'de', so its name"):
        store.read(tmp_path / "fr.safetensors")
    with pytest.raises(ProfileError, match="cannot read"):
        store.read(link)  # dangling now


def test_listing_keeps_the_good(german: Profile, tmp_path: Path) -> None:
    store.save(german, tmp_path)
    store.save(replace(german, language="fr"), tmp_path)
    (tmp_path / "ja.safetensors").write_bytes(b"junk")
    (tmp_path / "notes.txt").write_text("ignored")
    (tmp_path / "zh.safetensors").mkdir()
    good, errors = store.list_profiles(tmp_path)
    assert sorted(good) == ["de", "fr"]
    assert len(errors) == 2


def test_listing_nothing(tmp_path: Path) -> None:
    good, errors = store.list_profiles(tmp_path)
    assert not good
    assert "holds no profile files" in str(errors[0])
    with pytest.raises(ProfileError, match="no profile folder"):
        store.list_profiles(tmp_path / "nowhere")


def test_two_files_of_one_language(german: Profile, tmp_path: Path) -> None:
    store.save(replace(german, language="pt-BR"), tmp_path)
    copy = _altered(replace(german, language="pt-BR"))
    (tmp_path / "pt-br.safetensors").write_bytes(copy)
    good, errors = store.list_profiles(tmp_path)
    assert list(good) == ["pt-BR"]
    assert len(errors) == 1


def test_nothing_heavy_is_imported() -> None:
    code = "import profiles.store, sys; print({'torch', 'transformers'} & {*sys.modules})"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "set()"
