"""What the board tells a replica to do with profiles, and what the replica answers."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Files = Mapping[str, bytes]
# stage: load and prove these files, offer none; offer: all that is staged, at once; drop: go back
# to what is on offer; wait: ask again; enter: the board does not know this replica.
Kind = Literal["stage", "offer", "drop", "wait", "enter"]


@dataclass(frozen=True, kw_only=True)
class Order:
    """One step of an update.

    Attributes:
        number: counts the board's orders; 0 where there is nothing to answer.
        kind: what to do.
        files: with "stage" the whole set to serve from then on, by file name.
    """

    number: int = 0
    kind: Kind
    files: Files = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What became of an order.

    Attributes:
        number: of the order.
        error: why it was not carried out; "" where it was. Nothing has changed then.
    """

    number: int
    error: str = ""


def digest(files: Files) -> str:
    """Short name of a set of files: equal for equal content."""
    parts = {name: hashlib.sha256(data).hexdigest() for name, data in files.items()}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()[:12]
