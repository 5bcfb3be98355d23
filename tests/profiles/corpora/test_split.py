from __future__ import annotations

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from profiles.corpora.corpus import Corpus, read_corpus
from profiles.corpora.split import split, split_for_learning
from profiles.errors import CorpusError

TAGS = ("de", "en", "ja")


def _corpus(lengths: tuple[int, ...]) -> Corpus:
    texts = {
        tag: tuple(f"{tag} {n}" for n in range(length))
        for tag, length in zip(TAGS, lengths, strict=False)
    }
    return Corpus(source="test", texts=texts)


@settings(max_examples=60, deadline=None)
@given(
    lengths=st.tuples(*[st.integers(20, 90)] * 3),
    share=st.floats(0, 1),
    most=st.none() | st.integers(1, 30),
    seed=st.integers(0, 99),
)
def test_nothing_is_lost_and_no_number_straddles(
    lengths: tuple[int, int, int], share: float, most: int | None, seed: int
) -> None:
    corpus = _corpus(lengths)
    train, held = split(corpus, share, random.Random(seed), most=most)
    numbers = {
        part: {n for t in TAGS for n in p.numbers_of(t)} for part, p in enumerate((train, held))
    }
    assert not numbers[0] & numbers[1]
    for tag, length in zip(TAGS, lengths, strict=True):
        assert sorted([*train.texts[tag], *held.texts[tag]]) == sorted(corpus.texts[tag])
        want = min(max(1, round(share * length)), length - 1, most or length)
        assert len(held.texts[tag]) == want
        for part in (train, held):
            for n, text in zip(part.numbers_of(tag), part.texts[tag], strict=True):
                assert text == f"{tag} {n}"


def test_the_seed_decides() -> None:
    one, two, other = (
        split(_corpus((40, 40)), 0.25, random.Random(seed))[1].texts for seed in (1, 1, 2)
    )
    assert one == two != other


def test_learning_holds_a_tenth_out_but_neither_few_nor_many() -> None:
    train, held = split_for_learning(_corpus((40, 200, 900)), 1)
    assert [len(lines) for lines in held.texts.values()] == [8, 20, 32]
    assert [len(lines) for lines in train.texts.values()] == [32, 180, 868]
    assert held.texts == split_for_learning(_corpus((40, 200, 900)), 1)[1].texts


@settings(max_examples=60, deadline=None)
@given(data=st.data(), seed=st.integers(0, 99))
def test_no_sentence_faces_its_translation_across_the_split(
    data: st.DataObject, seed: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Lines are dropped here and there as blank or repeated; meanings must not straddle."""
    count = 60
    folder = tmp_path_factory.mktemp("corpus")
    meant: dict[tuple[str, str], set[int]] = {}
    for tag in ("de", "en"):
        lines = [f"{tag} {n}" for n in range(count)]
        for n in data.draw(st.lists(st.integers(1, count - 1), max_size=6), label=tag):
            lines[n] = data.draw(st.sampled_from(["", *lines[:n]]))
        for n, line in enumerate(lines):
            meant.setdefault((tag, line), set()).add(n)
        (folder / f"{tag}.txt").write_text("\n".join(lines))
    train, held = split(read_corpus(str(folder)), 0.3, random.Random(seed))

    def meanings(part: Corpus) -> set[int]:
        return {n for tag, texts in part.texts.items() for text in texts for n in meant[tag, text]}

    assert not meanings(train) & meanings(held)


def test_repeated_lines_are_never_held_out() -> None:
    texts = {tag: tuple(f"{tag} {n}" for n in range(20)) for tag in ("de", "en")}
    corpus = Corpus(source="test", texts=texts, repeats={19: frozenset(range(10))})
    for seed in range(20):
        train, held = split(corpus, 0.9, random.Random(seed))
        assert {*held.numbers_of("de")} == {*range(10, 19)}
        assert len(train.texts["en"]) == 11


@pytest.mark.parametrize(
    ("lengths", "least", "message"),
    [
        ((40, 15), 8, r"test: 15 sentences of en are too few to hold 8 .* at least 20"),
        ((40, 50), 30, r"40 sentences of de .* at least 60"),
        ((1, 15), 1, r"1 sentences of de"),
    ],
)
def test_too_little_text_says_how_much_is_needed(
    lengths: tuple[int, ...], least: int, message: str
) -> None:
    with pytest.raises(CorpusError, match=message):
        split(_corpus(lengths), 0.1, random.Random(0), least=least)
