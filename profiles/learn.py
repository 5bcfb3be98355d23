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

from profiles.architecture import find_ffns
from profiles.errors import CorpusError
from profiles.prefixes import Corpus, Example, Role, sample
from profiles.profile import Edit, OffsetEdit
from profiles.vocabulary import TargetLoss

# Examples the held-out loss is measured on.
EXAM = 32
# (step, of how many, training loss, held-out loss), losses in nats per token.
Progress = Callable[[int, int, float, float], None]


@dataclass(frozen=True, kw_only=True)
class Options:
    """How to learn. The defaults are the quick mode; see `THOROUGH`.

    Attributes:
        steps: optimizer steps.
        seconds: wall-clock budget, or None; learning ends at whichever comes first, and the rate
            falls to zero towards it.
        batch: examples a step.
        rate: Adam's step size, in units of the root mean square of the layer's FFN output.
        penalty: weight of the squared offset (in the same units, mean over dimensions).
        context, length: at most so many tokens of context and of text.
        head: weight of the first `head_tokens` tokens of a text: there the language is decided.
        negatives: vocabulary entries sampled besides those of the corpus; 0 for the whole
            vocabulary.
        every: steps between two looks at the held-out loss.
        patience: stop after so many looks without improvement.
        gain: factor baked into the result, so that strength 1.0 is the recommended one.
    """

    steps: int = 40
    seconds: float | None = None
    batch: int = 16
    rate: float = 0.04
    penalty: float = 0.0
    context: int = 40
    length: int = 24
    head: float = 1.0
    head_tokens: int = 4
    negatives: int = 4096
    every: int = 10
    patience: int = 3
    gain: float = 1.0


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


@dataclass(frozen=True, kw_only=True, eq=False)
class _Batch:
    """Right-padded token ids [rows, width] and the weight of predicting each, 0 for no loss."""

    ids_BT: Tensor
    weight_BT: Tensor


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
    encode = _Encoder(tokenizer, options)
    outside = [encode(e) for e in sample(held, language, role, EXAM, rng)]
    loss = TargetLoss(model, encode.vocabulary(corpus), options.negatives, seed)
    with _Offsets(model, down_projection) as offsets, _frozen(model):
        exam = _batches(outside, options.batch, encode.pad)
        offsets.measure(lambda: loss(exam[0].ids_BT, exam[0].weight_BT))
        offsets.start(init)
        return _descend(
            offsets,
            loss,
            _stream(train, language, role, encode, options, rng),
            exam,
            options,
            progress,
        )


def _descend(
    offsets: _Offsets,
    loss: TargetLoss,
    batches: Iterator[_Batch],
    exam: Sequence[_Batch],
    options: Options,
    progress: Progress | None,
) -> LearnedOffset:
    begun = time.monotonic()
    optimizer = torch.optim.Adam([offsets.units_LH], betas=(0.9, 0.95))
    held = _evaluate(loss, exam)
    curve = [(0, held, held)]
    best, best_step, best_loss, step = offsets.units_LH.detach().clone(), 0, held, 0
    while step < options.steps:
        spent = _spent(step, begun, options)
        if spent >= 1 or (curve[-1][0] - best_step) >= options.patience * options.every:
            break
        for group in optimizer.param_groups:
            group["lr"] = options.rate * _schedule(step, spent)
        batch = next(batches)
        optimizer.zero_grad()
        value = loss(batch.ids_BT, batch.weight_BT)
        (value + options.penalty * offsets.units_LH.square().mean()).backward()
        optimizer.step()
        step += 1
        last = step == options.steps or _spent(step, begun, options) >= 1
        if last or step % options.every == 0:
            held = _evaluate(loss, exam)
            curve.append((step, float(value.detach()), held))
            if held < best_loss:
                best, best_step, best_loss = offsets.units_LH.detach().clone(), step, held
        if progress:
            progress(step, options.steps, float(value.detach()), held)
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


def _evaluate(loss: TargetLoss, exam: Sequence[_Batch]) -> float:
    with torch.no_grad():
        weights = [float(batch.weight_BT.sum()) for batch in exam]
        losses = [float(loss(b.ids_BT, b.weight_BT, seed=0)) for b in exam]
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

    def __enter__(self) -> _Offsets:
        for n, ffn in enumerate(self._ffns):
            self._hooks.callback(ffn.output.register_forward_hook(self._adder(n)).remove)
        return self

    def __exit__(self, *_: object) -> None:
        self._hooks.close()

    def _adder(self, n: int) -> Callable[..., Tensor]:
        def add(_module: nn.Module, _args: Any, h: Tensor) -> Tensor:
            # As in serving: float32, then cast back.
            return (h.float() + self._scale_L[n] * self.units_LH[n]).to(h.dtype)

        return add

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


class _Encoder:
    """Examples → (token ids, index of the first token that counts)."""

    def __init__(self, tokenizer: Any, options: Options) -> None:
        self._tokenizer, self._options = tokenizer, options
        self._special = {*tokenizer.all_special_ids}
        first = tokenizer.bos_token_id
        # Some tokenizers have no BOS; a text from nothing then begins after the end of another.
        self._first = tokenizer.eos_token_id if first is None else first
        self._always = first is not None
        self.pad = tokenizer.pad_token_id or 0

    def __call__(self, example: Example) -> tuple[list[int], list[float]]:
        """Token ids and their loss weights."""
        o = self._options
        before = self._ids(example.prefix)[-o.context :] if example.prefix else []
        after = self._ids(example.text)[: o.length]
        start = [self._first] if self._always or not before else []
        weights = [o.head if n < o.head_tokens else 1.0 for n in range(len(after))]
        return start + before + after, [0.0] * (len(start) + len(before)) + weights

    def _ids(self, text: str) -> list[int]:
        # Context and text are tokenized apart, as a prompt and its continuation are. Special
        # tokens are left out whatever the tokenizer adds, so BOS is never doubled.
        return [int(i) for i in self._tokenizer(text, add_special_tokens=False).input_ids]

    def vocabulary(self, corpus: Mapping[str, Sequence[str]]) -> list[int]:
        """The token ids that occur in the corpus, special ones included, sorted."""
        lines = [text for lines in corpus.values() for line in lines for text in (line, " " + line)]
        seen = {
            int(i)
            for ids in self._tokenizer(lines, add_special_tokens=False).input_ids
            for i in ids
        }
        return sorted(seen | self._special)


def _stream(
    corpus: Corpus,
    language: str,
    role: Role,
    encode: _Encoder,
    options: Options,
    rng: random.Random,
) -> Iterator[_Batch]:
    """Endless batches; each pool of examples is sorted by length, so that batches pad little."""
    while True:
        pool = [encode(e) for e in sample(corpus, language, role, 8 * options.batch, rng)]
        batches = _batches(pool, options.batch, encode.pad)
        rng.shuffle(batches)
        yield from batches


def _batches(encoded: Sequence[tuple[list[int], list[float]]], rows: int, pad: int) -> list[_Batch]:
    ordered = sorted(encoded, key=lambda pair: len(pair[0]))
    return [_pad(ordered[n : n + rows], pad) for n in range(0, len(ordered), rows)]


def _pad(rows: Sequence[tuple[list[int], list[float]]], pad: int) -> _Batch:
    # On the right: causal attention then needs no mask, which is the fastest path there is.
    width = max(len(ids) for ids, _ in rows)
    return _Batch(
        ids_BT=torch.tensor([ids + [pad] * (width - len(ids)) for ids, _ in rows]),
        weight_BT=torch.tensor([weights + [0.0] * (width - len(weights)) for _, weights in rows]),
    )


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
