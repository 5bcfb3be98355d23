"""What is judged: which positions an edit changes, offline and on a server."""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch

from profiles.errors import ProfileError
from profiles.judging import subject
from profiles.judging.condition import Row
from profiles.judging.options import Options, Phase
from profiles.judging.remote import Remote
from profiles.judging.subject import Place, Subject
from profiles.judging.writer import Sampling
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel, load_model
from profiles.profile import Edit, OffsetEdit, Profile
from profiles.store import save

GREEDY = Sampling(tokens=12, temperature=0, seed=0, batch=4)
PROMPTS = ["", "so it was", "a longer prompt than that"]


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> LoadedModel:
    return load_model(tiny_folder, "tiny", "fp32")


@pytest.fixture(scope="module")
def edit() -> Edit:
    # Weak enough for the prompt to matter.
    value = 0.02 * np.random.default_rng(0).standard_normal((1, 16), dtype=np.float32)
    return Edit(offsets=OffsetEdit(layer=np.array([0], np.int32), value=value))


@pytest.fixture
def folder(loaded: LoadedModel, edit: Edit, tmp_path: Path) -> Path:
    save(Profile(language="de", model=loaded.identity, target=edit), tmp_path)
    return tmp_path


def written(folder: Path, loaded: LoadedModel, phase: Phase) -> list[list[int]]:
    judged = Subject(Place(profiles=folder), [], Options(phase=phase))
    judged.load(lambda: loaded)
    (method,) = judged.methods("target")["de"]
    rows = [Row(prompt=prompt) for prompt in PROMPTS]
    out = judged.writer.write(rows, method, GREEDY, lambda _a, _b: None)
    return [[*output.ids] for output in out if output.ids is not None]


def from_last(loaded: LoadedModel, edit: Edit, prompt: str) -> list[int]:
    """The prompt but its last token is read unedited, everything after it edited."""
    ids: Any = loaded.tokenizer(prompt, return_tensors="pt").input_ids
    out: list[int] = []
    with torch.inference_mode():
        cache = None
        if ids.shape[1] > 1:
            cache = loaded.model(ids[:, :-1], use_cache=True).past_key_values
        ids = ids[:, -1:]
        with edited(loaded.model, edit):
            for _ in range(GREEDY.tokens):
                result = loaded.model(ids, past_key_values=cache, use_cache=True)
                cache, ids = result.past_key_values, result.logits[:, -1:].argmax(-1)
                if int(ids) == loaded.tokenizer.eos_token_id:
                    break
                out.append(int(ids))
    return out


def test_decode_leaves_every_prompt_alone(folder: Path, loaded: LoadedModel, edit: Edit) -> None:
    late = written(folder, loaded, "decode")
    assert late == [from_last(loaded, edit, prompt) for prompt in PROMPTS]
    everywhere = written(folder, loaded, "all")
    assert everywhere != late
    assert everywhere[0] == late[0]  # BOS alone is the last prompt token


def test_natural_text_is_read_as_an_answer(folder: Path, loaded: LoadedModel) -> None:
    logits = []
    ids = torch.tensor([[2, 40, 41]])
    for phase in ("all", "decode"):
        judged = Subject(Place(profiles=folder), [], Options(phase=phase))  # type: ignore[arg-type]
        judged.load(lambda: loaded)
        (method,) = judged.methods("target")["de"]
        with method.applied(), torch.inference_mode():
            logits.append(loaded.model(ids).logits)
    assert torch.equal(*logits)


def test_a_server_is_asked_for_the_phase(monkeypatch: pytest.MonkeyPatch) -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path == "/v1/models":
            return httpx.Response(200, json={"data": [{"id": "tiny"}]})
        both: dict[str, Any] = {"target": {}, "suppress": {}}
        profile = {"language": "de", "version": "abc", "edits": both}
        return httpx.Response(200, json={"data": [profile]})

    connect = partial(Remote, transport=httpx.MockTransport(answer))
    monkeypatch.setattr(subject, "Remote", connect)
    judged = Subject(Place(server="http://server"), [], Options(phase="decode"))
    asked = {role: judged.methods(role)["de"][0].steering for role in ("target", "suppress")}
    assert asked == {
        "target": {"target": "de", "strength": 1.0, "phase": "decode"},
        "suppress": {"suppress": ["de"], "strength": 1.0, "phase": "decode"},
    }
    assert judged.facts()["precision"] is None


def test_precision_is_what_was_loaded(folder: Path, loaded: LoadedModel) -> None:
    judged = Subject(Place(profiles=folder), [], Options())
    judged.load(lambda: loaded)
    assert judged.facts()["precision"] == "float32"


def test_no_edit_for_a_role(folder: Path) -> None:
    with pytest.raises(ProfileError, match="de have no edit for suppress"):
        Subject(Place(profiles=folder), [], Options(roles=("suppress",)))
    assert Subject(Place(profiles=folder), [], Options()).plan == {"target": ["de"], "suppress": []}
