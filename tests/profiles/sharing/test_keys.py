from __future__ import annotations

import stat
from pathlib import Path

import pytest

from profiles.errors import SharingError
from profiles.sharing.keys import PublicKeys
from profiles.sharing.signer import Signer, make_keys

DATA = b"the very bytes"
# Of the reference implementation, for the file "test": its own published example.
THEIR_KEY = "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3"


def test_what_is_signed_fits(keys: tuple[Path, Path], signer: Signer) -> None:
    public = PublicKeys.read(keys[1])
    assert public.ids == (signer.id,)
    signature = signer.sign(DATA, "de.safetensors", "de@1a2b")
    comment = public.check(DATA, signature, "de.safetensors")
    assert comment.endswith("file:de.safetensors\tprofile:de@1a2b")
    assert signer.has_signed(DATA, signature)
    assert not signer.has_signed(DATA + b"x", signature)


def test_what_does_not_fit(keys: tuple[Path, Path], signer: Signer, tmp_path: Path) -> None:
    public = PublicKeys.read(keys[1])
    signature = signer.sign(DATA, "de.safetensors", "de@1a2b")
    with pytest.raises(SharingError, match=r"not signed: there is no de\.safetensors\.minisig"):
        public.check(DATA, None, "de.safetensors")
    with pytest.raises(SharingError, match="altered after key"):
        public.check(DATA + b"x", signature, "de.safetensors")
    with pytest.raises(SharingError, match="altered after key"):
        public.check(DATA, signature.replace(b"1a2b", b"9999"), "de.safetensors")
    with pytest.raises(SharingError, match="no signature of minisign"):
        public.check(DATA, b"<html>", "de.safetensors")
    with pytest.raises(SharingError, match="no signature of minisign"):
        public.check(DATA, b"\xff\n\xff\n\xff\n\xff", "de.safetensors")
    other = PublicKeys.read(make_keys(tmp_path / "other", "")[1])
    with pytest.raises(SharingError, match=f"by key {signer.id}, and .*other.pub holds"):
        other.check(DATA, signature, "de.safetensors")


def test_several_keys_in_a_file(keys: tuple[Path, Path], signer: Signer, tmp_path: Path) -> None:
    both = tmp_path / "both.pub"
    both.write_text(f"{THEIR_KEY}\n\n{keys[1].read_text()}")
    public = PublicKeys.read(both)
    assert public.ids == ("E7620F1842B4E81F", signer.id)
    public.check(DATA, signer.sign(DATA, "f", "f"), "f")


@pytest.mark.parametrize(
    ("text", "words"),
    [("", "holds no public key"), ("hello", "no public key of minisign"), (None, "cannot read")],
)
def test_what_is_no_key(tmp_path: Path, text: str | None, words: str) -> None:
    file = tmp_path / "x.pub"
    if text is not None:
        file.write_text(text)
    with pytest.raises(SharingError, match=words):
        PublicKeys.read(file)


def test_a_secret_key_is_not_taken_for_a_public_one(keys: tuple[Path, Path]) -> None:
    with pytest.raises(SharingError, match="looks like a secret key"):
        PublicKeys.read(keys[0])


def test_the_secret_key_is_its_owners_and_is_not_replaced(keys: tuple[Path, Path]) -> None:
    assert stat.S_IMODE(keys[0].stat().st_mode) == 0o600
    before = keys[0].read_bytes()
    with pytest.raises(SharingError, match="there already"):
        make_keys(keys[0].with_suffix(""), "")
    assert keys[0].read_bytes() == before


def test_a_password(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from minisign import SecretKey

    real = SecretKey.encrypt  # by default it takes a second and a gigabyte
    monkeypatch.setattr(
        SecretKey,
        "encrypt",
        lambda self, password: real(self, password, opslimit=1 << 15, memlimit=1 << 24),
    )
    secret, public = make_keys(tmp_path / "locked", "open sesame")
    signer = Signer.read(secret, lambda: "open sesame")
    PublicKeys.read(public).check(DATA, signer.sign(DATA, "f", "f"), "f")
    with pytest.raises(SharingError, match="wrong password"):
        Signer.read(secret, lambda: "guess")


def test_a_key_of_the_reference_implementation(tmp_path: Path) -> None:
    """Signed by `minisign` itself, hashed and not."""
    import shutil
    import subprocess

    program = shutil.which("minisign")
    if program is None:
        pytest.skip("minisign is not installed")
    file = tmp_path / "f"
    file.write_bytes(DATA)
    made = [program, "-G", "-W", "-p", str(tmp_path / "k.pub"), "-s", str(tmp_path / "k.key")]
    subprocess.run(made, check=True, capture_output=True)
    signed = [program, "-S", "-s", str(tmp_path / "k.key"), "-m", str(file)]
    public = PublicKeys.read(tmp_path / "k.pub")
    for more in ([], ["-l"]):
        subprocess.run([*signed, *more], check=True, capture_output=True)
        public.check(DATA, (tmp_path / "f.minisig").read_bytes(), "f")
    ours = Signer.read(tmp_path / "k.key", lambda: "").sign(DATA, "f", "f")
    (tmp_path / "f.minisig").write_bytes(ours)
    check = [program, "-V", "-p", str(tmp_path / "k.pub"), "-m", str(file)]
    subprocess.run(check, check=True, capture_output=True)
