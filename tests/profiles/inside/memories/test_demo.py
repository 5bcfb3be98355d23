"""The demo model: a neuron whose value and triggers are known, and what setting it does."""

from __future__ import annotations

import ast
import re
from pathlib import Path
from typing import Any

import pytest
import torch

from profiles.corpora.corpus import Corpus, read_corpus
from profiles.finding.batches import plan
from profiles.inside.memories.collect import Amount, listen
from profiles.inside.memories.decoder import find_decoder
from profiles.inside.memories.text import text_of
from profiles.inside.memories.values import read_vectors
from profiles.models.model import LoadedModel, load_model
from profiles.models.resolve import resolve_model
from profiles.models.values import value_vectors
from tests.profiles.inside.memories.conftest import silent

pytestmark = pytest.mark.model
LAYER, NEURON = 17, 2022  # on in French, where it holds back "et"


@pytest.fixture(scope="module")
def demo() -> LoadedModel:
    return load_model(resolve_model("demo"), "demo")


def test_what_a_value_says_is_what_setting_the_neuron_does(demo: LoadedModel) -> None:
    decoder = find_decoder(demo.model)
    value_1H = value_vectors(decoder.ffns[LAYER]).T[NEURON : NEURON + 1]
    member = torch.zeros(decoder.head.size, 1)
    said = read_vectors(decoder.head, decoder.head.contribution(LAYER, value_1H), member, 6)
    assert demo.tokenizer.convert_ids_to_tokens(said.tokens[0, 1].tolist())[0] == "▁et"
    ids = demo.tokenizer("Le chat dort dans la maison", return_tensors="pt").input_ids
    down: Any = decoder.ffns[LAYER].down

    def logits(coefficient: float) -> torch.Tensor:
        def put(_module: Any, args: tuple[torch.Tensor, ...]) -> tuple[torch.Tensor, ...]:
            y = args[0].clone()
            y[..., NEURON] = coefficient
            return (y,)

        handle = down.register_forward_pre_hook(put)
        with torch.inference_mode():
            out: torch.Tensor = demo.model(input_ids=ids).logits[0, -1].float()
        handle.remove()
        return out

    moved = logits(-2.0) - logits(2.0)
    assert {*moved.topk(6).indices.tolist()} == {*said.tokens[0, 1].tolist()}


def test_the_script_in_the_docs_prints_what_they_say(capsys: pytest.CaptureFixture[str]) -> None:
    text = (Path(__file__).parents[4] / "docs" / "memories.md").read_text("utf-8")
    pair = re.search(r"```python\n(.*?)```\n\n```\n(.*?)```", text, re.DOTALL)
    assert pair
    script, printed = pair.groups()
    exec(compile(script, "docs/memories.md", "exec"), {})
    found, said = (
        [ast.literal_eval(line.partition(" ")[2]) for line in lines.strip().splitlines()]
        for lines in (capsys.readouterr().out, printed)
    )
    assert len(found) == len(said) == 2
    for mine, theirs in zip(found, said, strict=True):
        assert {*mine} == {*theirs}
        # In bfloat16 the last digit depends on how many threads add up.
        assert mine == pytest.approx(theirs, abs=0.2)


def test_its_triggers_are_french(demo: LoadedModel) -> None:
    starter = read_corpus("starter", limit=20).texts
    corpus = Corpus(source="starter", texts={tag: starter[tag] for tag in ("en", "fr")})
    batches = plan(demo.tokenizer, corpus)
    text = text_of([s for batch in batches.batches for s in batch.sentences])
    decoder = find_decoder(demo.model)
    heard = listen(demo, decoder, batches, text, silent, Amount(triggers=5, positions=2))
    places = heard.listener.high[LAYER].at[NEURON].numpy()
    assert [corpus_tag(batches.languages, text, place) for place in places] == ["fr"] * 5


def corpus_tag(languages: tuple[str, ...], text: Any, place: int) -> str:
    return languages[int(text.labels[text.sentence(place)])]
