"""The ready-made profiles: readable, calibrated, and of the demo model."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from profiles.corpora.corpus import read_corpus
from profiles.models.fingerprint import fingerprint
from profiles.models.resolve import resolve_model
from profiles.ready import table
from profiles.ready.folder import READY, profile_folder
from profiles.store import SUFFIX, list_profiles, read

FILES = sorted(profile_folder(Path(READY)).glob(f"*{SUFFIX}"))


def test_every_language_of_the_starter_corpus_has_one() -> None:
    assert {file.stem for file in FILES} == {*read_corpus().texts}


@pytest.mark.parametrize("file", FILES, ids=lambda file: file.stem)
def test_both_roles_were_calibrated(file: Path) -> None:
    profile = read(file)
    assert set(profile.edits()) == {"target", "suppress"}
    for role, account in profile.provenance["learning"].items():
        found = account["calibration"]
        best = found["points"][found["recommended"]]
        assert best["strength"] == 1
        # Weaker is not better: what is recommended pays.
        weaker = [p for p in found["points"] if p["phase"] == "all" and p["strength"] < 1]
        assert best["success"] >= max((p["success"] for p in weaker), default=0) - 0.1, role


@pytest.mark.model
def test_they_are_of_the_demo_model() -> None:
    good, errors = list_profiles(
        profile_folder(Path(READY)), fingerprint(resolve_model("demo"), "demo")
    )
    assert not errors
    assert {*good} == {file.stem for file in FILES}


def test_the_readme_shows_their_evaluation() -> None:
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8")
    result = json.loads(table.FILE.read_text(encoding="utf-8"))
    for rows in (table.towards(result), table.away(result)):
        assert len(rows) == len(FILES) + 1
        assert "\n".join(rows) in readme, "python -m profiles.ready.table"


def test_the_evaluation_is_of_these_files() -> None:
    result = json.loads(table.FILE.read_text(encoding="utf-8"))
    assert result["profiles"] == {file.stem: read(file).version for file in FILES}


def test_other_folders_are_what_they_are() -> None:
    assert profile_folder(Path("some/ready")) == Path("some/ready")
    assert profile_folder(Path("/ready")) == Path("/ready")
