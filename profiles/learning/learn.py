"""Learn an edit of the FFNs that makes a frozen model write, or not write, a language.

Text of the language after foreign contexts (see prefixes) is made likelier by gradient descent on
a few numbers that are added to the FFNs. Nothing of the model changes.
"""

from __future__ import annotations

import random
from functools import lru_cache
from types import MappingProxyType
from typing import Any

from torch import nn

from profiles.errors import CorpusError
from profiles.learning.checkpoint import Checkpoint
from profiles.learning.job import Job, Learned, Progress
from profiles.learning.learnable import Learnable
from profiles.learning.options import Options
from profiles.learning.prefixes import Lines, Own, Role, sample
from profiles.learning.targets import Batch, Encoder, TextLoss, batches
from profiles.models.chat import chat_turn
from profiles.models.frozen import frozen
from profiles.profile import Edit

EXAM = 32  # examples the held-out loss is measured on
_POOL = 8  # batches drawn together and sorted by length, so that they pad little


def learn(
    model: nn.Module,
    tokenizer: Any,
    train: Lines,
    held: Lines,
    language: str,
    learnable: Learnable,
    *,
    role: Role = "target",
    own: Own = MappingProxyType({}),
    options: Options | None = None,
    init: Edit | None = None,
    budget: int | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    checkpoint: Checkpoint | None = None,
) -> Learned:
    """An edit that steers `model` towards `language` (role "target") or away from it ("suppress").

    Args:
        model: a transformers decoder with its LM head; its weights are not touched.
        tokenizer: the model's.
        train: lines of text by language, `language` and at least one other.
        held: others, of the same languages, that learning is stopped by.
        learnable: what is learned, on this model's FFNs.
        role: "target" learns text of the language after contexts in the others; "suppress"
            learns text of the others after contexts in the language, and to go on in the others.
        own: what the unedited model writes itself, see `sample`.
        options: see `Options`.
        init: where to begin; zero if None.
        budget: how many neurons to keep, given up bit by bit while learning; all if None.
        seed: of the examples, the sampled vocabulary and whatever `learnable` draws; the same
            seed, options without a time budget and machine give the same edit.
        progress: called after every step.
        checkpoint: where the state is kept, and looked for first.

    Raises:
        CorpusError: the corpus lacks the language, or any other, or has too few lines of one.
    """
    options = options or Options()
    check_lines(train, held, language)
    rng = random.Random(seed)
    turn = chat_turn(tokenizer)
    # An eighth of it is held out, too.
    own_held = {name: texts[::8] for name, texts in own.items()}
    own_train = {name: [t for n, t in enumerate(texts) if n % 8] for name, texts in own.items()}
    encode = Encoder(tokenizer, context=options.context, length=options.length)
    outside = [
        encode(e, rng, options.decode_share)
        for e in sample(held, language, role, EXAM, rng, turn, own_held)
    ]
    with learnable, frozen(model):
        unedited = learnable.off if options.early < options.length else None
        loss = TextLoss(model, encode.vocabulary(train), options.negatives, seed, unedited)
        exam = batches(outside, options.batch, encode, options.early)
        seen, body = exam[0], getattr(model, "base_model", model)
        learnable.measure(
            lambda: body(input_ids=seen.ids.to(learnable.device), use_cache=False), seen.filled
        )
        if init is not None:
            learnable.start(init)

        @lru_cache(maxsize=1)
        def pool(number: int) -> list[Batch]:
            # A function of the number alone, so that learning can go on after an interruption.
            draw = random.Random(f"{seed} {number}")
            count = _POOL * options.batch
            examples = sample(train, language, role, count, draw, turn, own_train)
            encoded = [encode(e, draw, options.decode_share) for e in examples]
            ready = batches(encoded, options.batch, encode, options.early)
            draw.shuffle(ready)
            return ready

        def batch(step: int) -> Batch:
            return pool(step // _POOL)[step % _POOL]

        job = Job(learnable, loss, batch, exam, options, budget, seed)
        return job.run(checkpoint, progress)


def check_lines(train: Lines, held: Lines, language: str) -> None:
    """Refuse text that `learn` cannot learn `language` from.

    Raises:
        CorpusError: it lacks the language, or any other, or has too few lines of one.
    """
    _check(train, language, 8)
    _check(held, language, 1)


def _check(corpus: Lines, language: str, least: int) -> None:
    if language not in corpus:
        raise CorpusError(f"no text in {language!r} to learn from; the corpus has {sorted(corpus)}")
    if len(corpus) < 2:
        raise CorpusError(f"learning {language!r} needs text in another language as well")
    for name, lines in corpus.items():
        if len(lines) < least:
            raise CorpusError(f"{len(lines)} lines in {name!r}; learning needs at least {least}")
