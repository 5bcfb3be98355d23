from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from profiles.errors import LangsteerError
from profiles.judging.record import FILE, KEY, SAMPLES, Record

FACTS = {
    "model": {"name": "tiny"},
    "server": None,
    "text": {"source": "passages", "languages": ("de", "en")},
    "precision": "bfloat16",
    "options": {"samples": 3, "phase": "all"},
    "profiles": {"de": "abc"},
    "neurons_edited": {"de": {"target": 1}},
    "meaning": "an embedder",
}


def key(language: str) -> dict[str, Any]:
    return dict(zip(KEY, ("target", "bos", "steered", 1.0, language), strict=True))


def test_every_cell_is_on_disk_at_once(tmp_path: Path) -> None:
    record = Record(FACTS, tmp_path / "new" / "folder")
    record.add({**key("de"), "success": 1}, [{**key("de"), "text": "so"}])
    found = json.loads((tmp_path / "new" / "folder" / FILE).read_text())
    assert found["cells"] == [{**key("de"), "success": 1}]
    assert [f.name for f in (tmp_path / "new" / "folder").iterdir() if f.name[0] == "."] == []


def test_resume_keeps_cells_and_drops_half_written_samples(tmp_path: Path) -> None:
    first = Record(FACTS, tmp_path)
    first.add({**key("de"), "success": 1}, [{**key("de"), "text": "so"}])
    with (tmp_path / SAMPLES).open("a") as file:  # interrupted while the next cell was written
        file.write(json.dumps({**key("fr"), "text": "oui"}) + '\n{"role": "tar')
    french = {"profiles": {"fr": "def"}, "neurons_edited": {"fr": {"target": 2}}}
    again = Record({**FACTS, **french}, tmp_path, resume=True)
    assert again.has(tuple(key("de").values()))
    assert not again.has(tuple(key("fr").values()))
    assert again.data["profiles"] == {"de": "abc", "fr": "def"}
    assert again.data["neurons_edited"] == {"de": {"target": 1}, "fr": {"target": 2}}
    lines = (tmp_path / SAMPLES).read_text().splitlines()
    assert [json.loads(line)["text"] for line in lines] == ["so"]


def test_an_evaluation_is_not_lost_by_asking_again(tmp_path: Path) -> None:
    Record(FACTS, tmp_path).add(key("de"), [key("de")])
    before = (tmp_path / FILE).read_bytes(), (tmp_path / SAMPLES).read_bytes()
    with pytest.raises(LangsteerError, match=r"holds an evaluation already.*--overwrite"):
        Record(FACTS, tmp_path)
    assert before == ((tmp_path / FILE).read_bytes(), (tmp_path / SAMPLES).read_bytes())


def test_overwriting_begins_anew(tmp_path: Path) -> None:
    Record(FACTS, tmp_path).add(key("de"), [key("de")])
    again = Record(FACTS, tmp_path, overwrite=True)
    assert again.data["cells"] == []
    assert (tmp_path / SAMPLES).read_text() == ""


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"options": {"samples": 4, "phase": "all"}}, "made with another options"),
        ({"options": {"samples": 3, "phase": "decode"}}, "made with another options"),
        ({"precision": "float32"}, '"bfloat16", now it is "float32"'),
        ({"meaning": "another"}, "made with another meaning"),
        ({"model": {"name": "other"}}, "made with another model"),
        ({"profiles": {"de": "xyz"}}, "judged de@abc, the profile is now @xyz"),
    ],
)
def test_resume_refuses_other_settings(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    Record(FACTS, tmp_path)
    with pytest.raises(LangsteerError, match=message):
        Record({**FACTS, **change}, tmp_path, resume=True)


def test_meaning_may_come_and_go(tmp_path: Path) -> None:
    without = {**FACTS, "meaning": None}
    Record(without, tmp_path)
    assert Record(FACTS, tmp_path, resume=True).data["meaning"] == "an embedder"
    assert Record(without, tmp_path, resume=True).data["meaning"] == "an embedder"


def test_resume_refuses_a_damaged_file(tmp_path: Path) -> None:
    (tmp_path / FILE).write_text("{")
    with pytest.raises(LangsteerError, match="cannot resume"):
        Record(FACTS, tmp_path, resume=True)


def test_skips_are_noted_once(tmp_path: Path) -> None:
    record = Record(FACTS, None)
    for _ in range(2):
        record.skip(condition="chat", reason="no template")
    assert record.data["skipped"] == [{"condition": "chat", "reason": "no template"}]
