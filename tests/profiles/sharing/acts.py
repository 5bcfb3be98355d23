"""What tests of sharing do again and again."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from profiles.progress import progress
from profiles.sharing.address import HubAddress, parse_address
from profiles.sharing.card import Terms
from profiles.sharing.digest import sha256
from profiles.sharing.fetcher import Fetcher
from profiles.sharing.hub_client import hub_client
from profiles.sharing.hub_target import HubTarget
from profiles.sharing.open_source import open_source
from profiles.sharing.push import Pushed, push
from profiles.sharing.signer import Signer
from profiles.sharing.source import Source
from profiles.sharing.sums import format_sums
from tests.profiles.sharing.web_server import WebServer

MakeFolder = Callable[..., Path]
TERMS = Terms(licence="apache-2.0", base_model="google/gemma-3-270m")
REPO = "me/steering"


@contextmanager
def at(
    address: object, *, offline: bool = False, allowed: tuple[str, ...] = ()
) -> Iterator[Source]:
    """The source at an address."""
    with open_source(
        str(address), offline=offline, allowed=allowed, stage=lambda title: progress(title, True)
    ) as source:
        yield source


def names(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def content(folder: Path) -> dict[str, bytes]:
    return {file.name: file.read_bytes() for file in folder.iterdir()}


def sign(folder: Path, signer: Signer) -> None:
    for file in folder.glob("*.safetensors"):
        signature = signer.sign(file.read_bytes(), file.name, file.stem)
        file.with_name(f"{file.name}.minisig").write_bytes(signature)


def serve(web: WebServer, folder: Path, at: str = "/p/") -> str:
    """The folder on the web, with sums of the profiles; the address."""
    files = content(folder)
    sums = {name: sha256(data) for name, data in files.items() if name.endswith(".safetensors")}
    web.files |= {f"{at}{name}": data for name, data in files.items()}
    web.files[f"{at}SHA256SUMS"] = format_sums(sums)
    return f"{web.url}{at}"


@contextmanager
def target(address: str = f"hf://{REPO}", *, create: bool = True) -> Iterator[HubTarget]:
    """The repository at an address."""
    parsed = parse_address(address)
    assert isinstance(parsed, HubAddress)
    with Fetcher() as fetcher:
        yield HubTarget(
            parsed,
            hub_client(),
            fetcher,
            lambda title: progress(title, True),
            create=create,
            private=False,
        )


def publish(folder: Path, address: str = f"hf://{REPO}", **options: Any) -> Pushed:
    """Push a folder to the stand-in of the Hub."""
    create = options.pop("create", True)
    with at(folder) as source, target(address, create=create) as place:
        return push(source, place, TERMS, address=address, **options)
