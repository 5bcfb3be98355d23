"""Public keys that profiles must be signed with: minisign's, one or several in a file."""

from __future__ import annotations

import base64
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from profiles.errors import SharingError
from profiles.sharing.names import signature_name

if TYPE_CHECKING:
    from minisign import PublicKey

_COMMENT = "untrusted comment:"
_MOST_BYTES = 64 << 10


class PublicKeys:
    """The keys of a file; a signature by any of them will do, so that keys can be changed.

    Args:
        keys: at least one.
        origin: where they are from, for errors.
    """

    def __init__(self, keys: Sequence[PublicKey], origin: str) -> None:
        self._keys, self.origin = keys, origin
        self.ids = tuple(key_id(key.to_base64()) for key in keys)

    @classmethod
    def read(cls, file: Path) -> PublicKeys:
        """The keys in `file`: what `minisign -G` writes, one after the other.

        Raises:
            SharingError: it cannot be read, or holds no key; or a secret one.
        """
        from minisign import PublicKey

        try:
            with file.open("rb") as data:
                text = data.read(_MOST_BYTES).decode()
        except (OSError, UnicodeDecodeError) as error:
            reason = getattr(error, "strerror", None) or "it is not text"
            raise SharingError(f"cannot read the public key {file}: {reason}") from error
        lines = [line.strip() for line in text.splitlines()]
        found = []
        for line in (line for line in lines if line and not line.startswith(_COMMENT)):
            try:
                found.append(PublicKey.from_base64(line))
            except ValueError as error:
                secret = "; it looks like a secret key" if "secret key" in text else ""
                raise SharingError(
                    f"{file} holds {line[:20]!r}…, which is no public key of minisign{secret}; "
                    "`langsteer profiles keygen` makes a pair"
                ) from error
        if not found:
            raise SharingError(f"{file} holds no public key; `langsteer profiles keygen` makes one")
        return cls(found, str(file))

    def check(self, data: bytes, signature: bytes | None, name: str) -> str:
        """The trusted comment of a valid signature.

        Args:
            data: what must be signed: the very bytes that are used afterwards.
            signature: the file beside it, None where there is none.
            name: of what is signed, for errors.

        Raises:
            SharingError: it is not signed, by another key, or was altered since.
        """
        from minisign import Signature

        if signature is None:
            raise SharingError(
                f"{name} is not signed: there is no {signature_name(name)} beside it, and "
                f"{self.origin} demands one; `langsteer profiles sign` makes it"
            )
        try:
            found = Signature.from_bytes(signature)
        except ValueError as error:
            raise SharingError(
                f"{signature_name(name)} is no signature of minisign: {error}"
            ) from error
        by = key_id(signature.splitlines()[1])
        if by not in self.ids:
            raise SharingError(
                f"{name} is signed by key {by}, and {self.origin} holds {', '.join(self.ids)}"
            )
        for key, own in zip(self._keys, self.ids, strict=True):
            if own != by:
                continue
            try:
                key.verify(data, found)
            except ValueError:
                continue
            return str(found.trusted_comment)
        raise SharingError(
            f"the signature of {name} does not fit: the file, or the signature, was altered after "
            f"key {by} had signed"
        )


def key_id(encoded: bytes) -> str:
    """The number of a key, as minisign prints it, from the base64 of a key or a signature."""
    return base64.b64decode(encoded)[2:10][::-1].hex().upper()
