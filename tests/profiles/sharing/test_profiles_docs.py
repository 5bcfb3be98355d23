"""docs/profiles.md, held to the code."""

from __future__ import annotations

import re
from pathlib import Path

from profiles.commands.profiles import profiles
from profiles.commands.profiles_sign import PASSWORD
from profiles.sharing import artefact, download, listing, sums
from profiles.sharing.address import parse_address
from profiles.sharing.names import KEY, SUMS
from profiles.sharing.web_place import TOKEN

TEXT = (Path(__file__).parents[3] / "docs" / "profiles.md").read_text()


def test_every_verb_is_in_the_table() -> None:
    verbs = {
        command.name or command.callback.__name__  # type: ignore[union-attr]
        for command in profiles.registered_commands
    }
    assert set(re.findall(r"^\| `profiles ([a-z]+)", TEXT, re.MULTILINE)) == verbs


def test_its_numbers_and_names_are_the_codes() -> None:
    for size, unit, words in (
        (listing.MOST_BYTES, 20, "a file over {} MiB"),
        (listing.MOST_SIGNATURE_BYTES, 10, "a signature over {} KiB"),
        (artefact.MOST_HEADER, 20, "a header over {} MiB"),
        (sums.MOST_BYTES, 20, "an index over {} MiB"),
    ):
        assert words.format(size >> unit) in TEXT
    assert download._IDLE == 4
    assert "four tries in a row" in TEXT
    for name in (TOKEN, PASSWORD, SUMS, KEY):
        assert f"`{name}`" in TEXT


def test_its_addresses_are_addresses() -> None:
    addresses = re.findall(r"(?:hf|https)://[\w./@%-]+", TEXT)
    assert len(addresses) > 8
    for address in addresses:
        parse_address(address)
