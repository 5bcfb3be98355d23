"""Every measure against the slow way in float64, on tiny models of several families."""

from __future__ import annotations

import numpy as np
import pytest

from profiles.corpora.corpus import Corpus
from profiles.inside.memories.agreement import agreement
from profiles.inside.memories.memory_store import MemoryStore
from profiles.inside.memories.said import DOWN, UP
from profiles.inside.memories.text import NO_TOKEN
from profiles.models.model import LoadedModel
from tests.profiles.inside.memories.conftest import AMOUNT, Made
from tests.profiles.inside.memories.plain import Plain, plain, softmax


@pytest.fixture(scope="module")
def both(made: Made, corpus: Corpus) -> tuple[LoadedModel, MemoryStore, Plain]:
    sentences = [text for texts in corpus.texts.values() for text in texts]
    return *made, plain(made[0], sentences)


Both = tuple[LoadedModel, MemoryStore, Plain]


def test_triggers_are_the_largest_coefficients(both: Both, corpus: Corpus) -> None:
    _, store, slow = both
    owners = [tag for tag, texts in corpus.texts.items() for _ in texts]
    for layer, coefficients in enumerate(slow.coefficients):
        for high in (True, False):
            signed = coefficients if high else -coefficients
            best = np.maximum(-np.sort(-signed, axis=0)[: AMOUNT.triggers].T, 0)
            kept = store.triggers.high if high else -store.triggers.low
            places = store.triggers.high_at if high else store.triggers.low_at
            np.testing.assert_allclose(kept[layer], best, atol=2e-5)
            np.testing.assert_array_equal(places[layer] < 0, kept[layer] == 0)
            # Where a coefficient is nobody else's, so is the place: token, next one, language.
            for neuron in range(0, len(best), 5):
                token = int(signed[:, neuron].argmax())
                runner_up = np.sort(signed[:, neuron])[-2]
                if best[neuron, 0] < 1e-4 or best[neuron, 0] - runner_up < 1e-4:
                    continue
                place = places[layer, neuron, :1]
                assert int(store.text.tokens[place[0]]) == slow.tokens[token]
                after = slow.following[token]
                assert store.text.following(place)[0] == (NO_TOKEN if after is None else after)
                label = store.text.labels[store.text.sentence(place)[0]]
                assert store.languages[label] == owners[slow.sentence[token]]


def test_values_through_norm_and_unembedding(both: Both) -> None:
    _, store, slow = both
    said = store.values()
    for layer, logits in enumerate(slow.values):
        for way, signed in ((UP, logits), (DOWN, -logits)):
            p = softmax(signed)
            best = -np.sort(-p, axis=1)[:, : AMOUNT.tokens]
            np.testing.assert_allclose(said.probability[layer, :, way], best, rtol=1e-3, atol=1e-6)
            named = np.take_along_axis(p, said.tokens[layer, :, way].astype(np.int64), axis=1)
            np.testing.assert_allclose(named, best, rtol=1e-3, atol=1e-6)
            mass = p @ store.groups.member.astype(np.float64)
            np.testing.assert_allclose(said.mass[layer, :, way], mass, rtol=2e-3, atol=2e-4)


def test_agreement_of_values_with_what_follows_their_triggers(both: Both) -> None:
    _, store, slow = both
    found = agreement(store.triggers, store.text, store.values())
    for layer, coefficients in enumerate(slow.coefficients):
        for way, signed in ((UP, coefficients), (DOWN, -coefficients)):
            logits = slow.values[layer] if way == UP else -slow.values[layer]
            for neuron in range(coefficients.shape[1]):
                order = np.argsort(-signed[:, neuron], kind="stable")[: AMOUNT.triggers]
                order = order[signed[order, neuron] > 1e-5]
                gaps = -np.diff(signed[order, neuron])
                known = [slow.following[t] for t in order if slow.following[t] is not None]
                if len(gaps) and gaps.min() < 1e-4:
                    continue
                expected = known[0] if known else NO_TOKEN
                assert found.following[layer, neuron, way] == expected
                if known:
                    same = int(logits[neuron].argmax()) == known[0]
                    assert found.first[layer, neuron, way] == same


def test_the_sample_composed_and_refined(both: Both) -> None:
    _, store, slow = both
    sampled = store.sampled
    count = len(sampled.labels)
    assert count == AMOUNT.positions
    assert np.bincount(sampled.labels).tolist() == [10, 10, 10]
    after, before = [softmax(x) for x in slow.after], [softmax(x) for x in slow.before]
    for position in range(count):
        # Which token was sampled shows in the final one's probabilities, layer by layer.
        final = int(sampled.final[position])
        seen = np.stack([p[:, final] for p in (*after, *before)], axis=1)
        mine = np.concatenate([sampled.after_p[position], sampled.before_p[position]])
        off = np.abs(seen - mine).max(axis=1)
        at = int(off.argmin())
        assert off[at] < 1e-4
        for layer in range(len(slow.after)):
            assert sampled.after[position, layer] == slow.after[layer][at].argmax()
            assert sampled.before[position, layer] == slow.before[layer][at].argmax()
            assert sampled.output[position, layer] == slow.output[layer][at].argmax()
            assert final == slow.after[-1][at].argmax()
            rank = 1 + int((slow.after[layer][at] > slow.after[layer][at][final]).sum())
            assert sampled.after_rank[position, layer] == rank
            size = np.abs(slow.coefficients[layer][at]) * slow.size[layer]
            assert sampled.lead[position, layer] == size.argmax()
            up = slow.coefficients[layer][at][size.argmax()] > 0
            assert sampled.lead_up[position, layer] == up
            effective = size.sum() ** 2 / (size**2).sum()
            assert sampled.effective[position, layer] == pytest.approx(effective, rel=1e-3)
            signs = np.sign(slow.coefficients[layer][at])
            votes = [(s * v).argmax() for s, v in zip(signs, slow.values[layer], strict=True) if s]
            assert sampled.alone[position, layer] == (sampled.output[position, layer] not in votes)


def test_scores_are_those_of_profiles(both: Both, corpus: Corpus) -> None:
    from profiles.finding.activations import record
    from profiles.finding.score import score_neurons

    loaded, store, _ = both
    activations = record(loaded, corpus)
    for name, found in store.scores.all().items():
        expected = score_neurons(name, activations)  # type: ignore[arg-type]
        np.testing.assert_allclose(found, expected, atol=1e-5)
