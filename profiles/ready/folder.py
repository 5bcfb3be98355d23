"""Where profiles are: a folder of the user's, or the ready-made ones."""

from __future__ import annotations

from pathlib import Path

READY = "ready"
_FOLDER = Path(__file__).with_name("gemma-3-270m")


def profile_folder(given: Path) -> Path:
    """`given`; for the word "ready", the folder of the demo model's ready-made profiles.

    A folder of the user's that has this name is ./ready.
    """
    return _FOLDER if str(given) == READY else given
