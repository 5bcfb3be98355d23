"""Learn offsets on the FFNs' outputs that make a frozen model write, or not write, a language.

Text of the language after foreign contexts (see prefixes) is made likelier by gradient descent on
one vector per layer, added to the FFN's output. Nothing of the model changes.
"""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, nn

from profiles.errors import CorpusError
from profiles.learning.prefixes import Corpus, Role, sample
from profiles.learning.targets import Batch, Encoder, TextLoss, batches
from profiles.models.architecture import find_ffns
from profiles.profile import Edit, OffsetEdit
from profiles.recipe import Recipe

EXAM = 32  # examples the held-out loss is measured on
# (step, of how many, training loss, held-out loss), losses in nats per token.
Progress = Callable[[int, int, float, float], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to learn. The defaults take about half a minute on two free cores for a 270M model.

    Attributes:
        steps: optimizer steps.
        seconds: wall-clock budget, or None; learning ends at whichever comes first, and the rate
            falls to zero towards it.
        batch: examples a step.
        rate: Adam's step size, in units of the root mean square of the layer's FFN output.
        context, length: at most so many tokens of context and of text.
        early: so many first tokens of a text are learned as they are; the later ones as what the
            unedited model would say there. As many as `length`: all as they are.
        negatives: tokens sampled besides those of the corpus; 0 for the whole vocabulary.
        every: steps between two looks at the held-out loss.
        patience: stop after so many looks without improvement.
        gain: factor baked into the result, so that strength 1.0 is the recommended one.
    """

    steps: int = Recipe.steps
    seconds: float | None = None
    batch: int = 16
    rate: float = 0.01
    context: int = 40
    length: int = 24
    early: int = 4
    negatives: int = 4096
    every: int = 10
    patience: int = 3
    gain: float = 0.8


@dataclass(frozen=True, kw_only=True)
class Report:
    """What learning did; JSON-serialisable with `dataclasses.asdict`.

    Attributes:
        steps, seconds: spent.
        best_step: the step the offsets are of.
        curve: (step, training loss, held-out loss), nats per token of target text.
        norms: per layer, root mean square of the offset over that of the FFN's output.
    """

    steps: int
    seconds: float
    best_step: int
    curve: tuple[tuple[int, float, float], ...]
    norms: tuple[float, ...]


@dataclass(frozen=True, kw_only=True, eq=False)
class LearnedOffset:
    """A learned edit and how it was learned."""

    edit: Edit
    report: Report


def learn_offsets(
    model: nn.Module,
    tokenizer: Any,
    corpus: Mapping[str, Sequence[str]],
    language: str,
    *,
    role: Role = "target",
    options: Options | None = None,
    init: OffsetEdit | None = None,
    seed: int = 0,
    progress: Progress | None = None,
    down_projection: str | None = None,
) -> LearnedOffset:
    """Offsets that steer `model` towards `language` (role "target") or away from it ("suppress").

    Args:
        model: a transformers decoder with its LM head; its weights are not touched.
        tokenizer: the model's.
        corpus: lines of text by language, `language` and at least one other.
        role: "target" learns text of the language after contexts in the others; "suppress"
            learns text of the others after contexts in the language, and to go on in the others.
        options: see `Options`.
        init: where to begin, e.g. the difference of the mean FFN outputs; zero if None.
        seed: of the examples and the sampled vocabulary; the same seed, options without a time
            budget and machine give the same offsets.
        progress: called after every step.
        down_projection: see `find_ffns`.

    Raises:
        CorpusError: the corpus lacks the language, or any other, or has too few lines of one.
    """
    options = options or Options()
    _check(corpus, language)
    rng = random.Random(seed)
    train, held = Corpus(lines=corpus).split(0.1, 32, rng)
    encode = Encoder(tokenizer, context=options.context, length=options.length)
    outside = [encode(e) for e in sample(held, language, role, EXAM, rng)]
    with _Offsets(model, down_projection) as offsets, _frozen(model):
        unedited = offsets.off if options.early < options.length else None
        known = encode.vocabulary(corpus)
        loss = TextLoss(model, known, options.negatives, seed, unedited)
        exam = batches(outside, options.batch, encode, options.early)
        offsets.measure(lambda: loss(exam[0]))
        offsets.start(init)
        stream = _stream(train, language, role, encode, options, rng)
        return _descend(offsets, loss, stream, exam, options, progress)


def _descend(
    offsets: _Offsets,
    loss: TextLoss,
    stream: Iterator[Batch],
    exam: Sequence[Batch],
    options: Options,
    progress: Progress | None,
) -> LearnedOffset:
    begun = time.monotonic()
    optimizer = torch.optim.Adam([offsets.units_LH], betas=(0.9, 0.95))
    held = _evaluate(loss, exam)
    curve = [(0, held, held)]
    best, best_step, best_loss = offsets.units_LH.detach().clone(), 0, held
    step, spent = 0, 0.0
    while spent < 1 and curve[-1][0] - best_step < options.patience * options.every:
        for group in optimizer.param_groups:
            group["lr"] = options.rate * _schedule(step, spent)
        batch = next(stream)
        optimizer.zero_grad()
        value = loss(batch)
        torch.autograd.backward(value)
        optimizer.step()
        step += 1
        spent = _spent(step, begun, options)
        if spent >= 1 or step % options.every == 0:
            held = _evaluate(loss, exam)
            curve.append((step, float(value.detach()), held))
            if held < best_loss:
                best.copy_(offsets.units_LH.detach())
                best_step, best_loss = step, held
        if progress:
            progress(step, options.steps, float(value.detach()), held)
    if not best.any():  # no step helped, and learning did not begin from an edit either
        raise CorpusError(
            f"learning did not lower the held-out loss in {step} steps; give it more, or more text"
        )
    report = Report(
        steps=step,
        seconds=time.monotonic() - begun,
        best_step=best_step,
        curve=tuple(curve),
        norms=tuple((options.gain * best).square().mean(-1).sqrt().tolist()),
    )
    return LearnedOffset(edit=offsets.edit(options.gain * best), report=report)


def _spent(step: int, begun: float, options: Options) -> float:
    """Share of the budget used up, of steps or of time, whichever is further."""
    timed = (time.monotonic() - begun) / options.seconds if options.seconds else 0.0
    return max(step / options.steps, timed)


def _schedule(step: int, spent: float) -> float:
    """Rate factor: a warm-up of three steps, then linearly down to a twentieth."""
    return min(1.0, (step + 1) / 3) * max(0.05, 1.0 - spent)


def _evaluate(loss: TextLoss, exam: Sequence[Batch]) -> float:
    with torch.no_grad():
        weights = [float(batch.counts.sum()) for batch in exam]
        losses = [float(loss(b, seed=0)) for b in exam]
    return sum(w * x for w, x in zip(weights, losses, strict=True)) / sum(weights)


class _Offsets:
    """One offset per layer, in units of the layer's FFN output, added by hooks while open."""

    def __init__(self, model: nn.Module, down_projection: str | None) -> None:
        self._ffns = find_ffns(model, down_projection)
        device = next(model.parameters()).device
        size = (len(self._ffns), self._ffns[0].hidden_size)
        self.units_LH = nn.Parameter(torch.zeros(size, device=device))
        self._scale_L = torch.ones(len(self._ffns), device=device)
        self._hooks = ExitStack()
        self._on = True

    def __enter__(self) -> _Offsets:
        for n, ffn in enumerate(self._ffns):
            self._hooks.callback(ffn.output.register_forward_hook(self._adder(n)).remove)
        return self

    def __exit__(self, *_: object) -> None:
        self._hooks.close()

    def _adder(self, n: int) -> Callable[..., Tensor]:
        def add(_module: nn.Module, _args: Any, h: Tensor) -> Tensor:
            if not self._on:
                return h
            # As in serving: float32, then cast back.
            return (h.float() + self._scale_L[n] * self.units_LH[n]).to(h.dtype)

        return add

    @contextmanager
    def off(self) -> Iterator[None]:
        """Within the block the model is as it was."""
        self._on = False
        try:
            yield
        finally:
            self._on = True

    def measure(self, forward: Callable[[], object]) -> None:
        """Set each layer's unit to the median root mean square of its FFN output in `forward`."""
        with ExitStack() as stack, torch.no_grad():
            for n, ffn in enumerate(self._ffns):

                def note(_m: nn.Module, _a: Any, h: Tensor, n: int = n) -> None:
                    # The median ignores BOS, whose FFN outputs are hundreds of times larger.
                    rms = h.float().square().mean(-1).sqrt().median()
                    self._scale_L[n] = rms.clamp_min(1e-6)

                stack.callback(ffn.output.register_forward_hook(note).remove)
            forward()

    def start(self, init: OffsetEdit | None) -> None:
        if init is None:
            return
        with torch.no_grad():
            for layer, value in zip(init.layer.tolist(), init.value, strict=True):
                unit = torch.from_numpy(value.copy()).to(self.units_LH.device)
                self.units_LH[layer] = unit / self._scale_L[layer]

    def edit(self, units_LH: Tensor) -> Edit:
        value = (units_LH * self._scale_L[:, None]).detach().float().cpu().numpy()
        layer = torch.arange(len(value), dtype=torch.int32).numpy()
        return Edit(offsets=OffsetEdit(layer=layer, value=value))


def _stream(
    corpus: Corpus, language: str, role: Role, encode: Encoder, options: Options, rng: random.Random
) -> Iterator[Batch]:
    """Endless batches; each pool of examples is sorted by length, so that batches pad little."""
    while True:
        pool = [encode(e) for e in sample(corpus, language, role, 8 * options.batch, rng)]
        ready = batches(pool, options.batch, encode, options.early)
        rng.shuffle(ready)
        yield from ready


@contextmanager
def _frozen(model: nn.Module) -> Iterator[None]:
    """Within the block the model is in inference mode and its weights want no gradient."""
    training = model.training
    wanted = [p for p in model.parameters() if p.requires_grad]
    model.eval()
    for p in wanted:
        p.requires_grad_(False)
    try:
        yield
    finally:
        model.train(training)
        for p in wanted:
            p.requires_grad_(True)


def _check(corpus: Mapping[str, Sequence[str]], language: str) -> None:
    if language not in corpus:
        raise CorpusError(f"no text in {language!r} to learn from; the corpus has {sorted(corpus)}")
    if len(corpus) < 2:
        raise CorpusError(f"learning {language!r} needs text in another language as well")
    for name, lines in corpus.items():
        if len(lines) < 8:
            raise CorpusError(f"{len(lines)} lines in {name!r}; learning needs at least 8")
