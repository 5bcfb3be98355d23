"""The page's section on memories: whole, valid, and hostile tokens are only text."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from markupsafe import escape
from typer.testing import CliRunner

from profiles.cli import app
from profiles.corpora.corpus import read_corpus
from profiles.inside.memories.collect import Amount, collect_memories
from profiles.inside.memories.files import save_store
from profiles.inside.memories.memory_store import MemoryStore
from profiles.inside.memories.neuron_account import neuron_account
from profiles.inside.memories.pieces import Pieces
from profiles.models.model import load_model
from profiles.profile import Edit, NeuronEdit, OffsetEdit, Profile
from profiles.store import save
from tests.profiles.report.page_reader import PageReader


@contextmanager
def _silent(_title: str) -> Iterator[Callable[[int, int], None]]:
    yield lambda _done, _total: None


@pytest.fixture(scope="module")
def store(tiny_folder: Path, corpus_folder: Path) -> MemoryStore:
    loaded = load_model(tiny_folder, "tiny", "fp32")
    corpus = read_corpus(str(corpus_folder))
    return collect_memories(loaded, corpus, _silent, Amount(positions=6))


def _page(store: MemoryStore, german: Profile, folder: Path, target: Edit | None = None) -> str:
    save(replace(german, model=store.model, target=target, suppress=_edit(store)), folder)
    save_store(store, folder / "memories.bin")
    options = ["--profiles", folder, "--memories", folder / "memories.bin"]
    out = folder / "page.html"
    result = CliRunner().invoke(app, ["report", *map(str, options), "--out", str(out)])
    assert result.exit_code == 0, result.output
    return out.read_text("utf-8")


def _edit(store: MemoryStore) -> Edit:
    value = np.ones((1, store.model.hidden_size), np.float32)
    return Edit(offsets=OffsetEdit(layer=np.array([0], np.int32), value=value))


def test_the_section_is_on_the_page(store: MemoryStore, german: Profile, tmp_path: Path) -> None:
    page = PageReader(_page(store, german, tmp_path))
    labels = [value for tag, name, value in page.attributes if (tag, name) == ("svg", "aria-label")]
    for label in ("The final prediction in the residual stream", "How layers compose", "Values"):
        assert any(label in text for text in labels)
    assert "Layers as memories" in page.text
    assert "Best detectors of the last layer" in page.text
    assert "#memories" in page.values("href")
    assert page.tags["caption"] == page.tags["table"]


def test_neurons_that_profiles_name_lead_to_what_they_are(
    store: MemoryStore, german: Profile, tmp_path: Path
) -> None:
    width = store.model.intermediate_size
    listed = [[0, 5, 0.9], [1, 7, 0.8], [1, width, 0.7]]  # the model does not have the last one
    edit = NeuronEdit(
        layer=np.array([1] * 12, np.int32),
        neuron=np.arange(12, dtype=np.int32),
        add=-np.arange(1, 13, dtype=np.float32),
        scale=np.zeros(12, np.float32),
    )
    provenance = {**german.provenance, "language_neurons": listed}
    text = _page(store, replace(german, provenance=provenance), tmp_path, Edit(neurons=edit))
    page = PageReader(text)
    ids, links = page.values("id"), page.values("href")
    assert {link.removeprefix("#") for link in links} <= {*ids}
    # Of the edit the ten that move furthest, of which one is listed as well.
    rows = [name for name in ids if name.startswith("n-")]
    assert rows == ["n-0-5", *(f"n-1-{n}" for n in range(2, 12))]
    assert {"#n-0-5", "#n-1-7"} <= {*links}
    assert f"#n-1-{width}" not in links
    assert f"1.{width}" in page.text
    assert "towards de, by -12.00" in page.text
    row = text.partition('id="n-1-7"')[2].partition("</tr>")[0]
    assert "detector of de" in row
    assert "towards de, by -8.00" in row
    facts = neuron_account(store, 1, 7)
    trigger = facts["triggers"]["high"][0]
    assert f"<b>{trigger['token']}</b>" in row
    promoted = [token["token"] for token in facts["value"]["promotes"]["tokens"][:5]]
    assert str(escape(" ".join(promoted))) in row


def test_without_values(store: MemoryStore, german: Profile, tmp_path: Path) -> None:
    alone = np.full_like(store.sampled.alone, -1)
    without = replace(store, said=None, sampled=replace(store.sampled, alone=alone))
    page = PageReader(_page(without, german, tmp_path))
    assert "Layers as memories" in page.text


def test_hostile_tokens_are_only_text(store: MemoryStore, german: Profile, tmp_path: Path) -> None:
    evil = b"<script>alert(1)</script>\0"
    size = len(store.pieces)
    pieces = Pieces(
        data=np.frombuffer(evil * size, np.uint8), starts=np.arange(size + 1) * len(evil)
    )
    text = _page(replace(store, pieces=pieces), german, tmp_path)
    assert "\0" not in text
    page = PageReader(text)
    assert "script" not in page.tags
    assert page.text.count("<script>alert(1)</script>") > 10
