"""A secret key of minisign, and what is signed with it."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

from profiles.atomic import READABLE, write_atomically
from profiles.errors import SharingError
from profiles.sharing.keys import key_id

if TYPE_CHECKING:
    from minisign import SecretKey

_SECRET = 0o600


class Signer:
    """Signs bytes.

    Args:
        key: unlocked.
    """

    def __init__(self, key: SecretKey) -> None:
        self._key = key
        self.id = key_id(key.get_public_key().to_base64())

    @classmethod
    def read(cls, file: Path, password: Callable[[], str]) -> Signer:
        """The key in `file`, as `minisign -G` writes it.

        Args:
            file: the secret key.
            password: asked where the key has one.

        Raises:
            SharingError: it cannot be read, is none, or the password is wrong.
        """
        from minisign import SecretKey

        try:
            key = SecretKey.from_file(file)
            if key.is_encrypted():
                key.decrypt(password())
        except OSError as error:
            raise SharingError(
                f"cannot read the secret key {file}: {error.strerror or error}; `langsteer "
                "profiles keygen` makes a pair"
            ) from error
        except ValueError as error:
            raise SharingError(f"cannot use the secret key {file}: {error}") from error
        return cls(key)

    def sign(self, data: bytes, name: str, label: str) -> bytes:
        """The signature file of `data`; `name` and `label` (name@version) are signed with it."""
        comment = f"timestamp:{int(time.time())}\tfile:{name}\tprofile:{label}"
        return bytes(self._key.sign(data, trusted_comment=comment)) + b"\n"

    def has_signed(self, data: bytes, signature: bytes) -> bool:
        """Whether `signature` is one of this key, of `data`."""
        from minisign import Signature

        try:
            self._key.get_public_key().verify(data, Signature.from_bytes(signature))
        except ValueError:
            return False
        return True


def make_keys(stem: Path, password: str) -> tuple[Path, Path]:
    """Write a new pair: (secret key "<stem>.key", public key "<stem>.pub").

    Args:
        stem: where; its folder exists.
        password: of the secret key, "" for none.

    Raises:
        SharingError: one of the files is there already, or cannot be written.
    """
    from minisign import KeyPair

    secret, public = stem.with_name(f"{stem.name}.key"), stem.with_name(f"{stem.name}.pub")
    if there := [str(file) for file in (secret, public) if file.exists()]:
        raise SharingError(f"{' and '.join(there)} is there already; choose another name")
    pair = KeyPair.generate()
    if password:
        pair.secret_key.encrypt(password)
    try:
        write_atomically(secret, bytes(pair.secret_key) + b"\n", _SECRET)
        write_atomically(public, bytes(pair.public_key) + b"\n", READABLE)
    except OSError as error:
        raise SharingError(f"cannot write {error.filename or stem}: {error.strerror}") from error
    return secret, public
