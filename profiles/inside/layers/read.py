"""Parallel text → `Readings`: one forward pass, read by hooks."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import numpy as np
import torch
from torch import Tensor

from profiles.corpora.corpus import Corpus
from profiles.corpora.parallel import parallel
from profiles.errors import ModelError
from profiles.finding.batches import BATCH_TOKENS, MAX_TOKENS, Batch, Plan, plan
from profiles.finding.responses import MEMORY_LIMIT, Responses, Stored
from profiles.finding.sites import Site, find_site
from profiles.inside.layers.readings import HALVES, Half, Readings
from profiles.inside.layers.shape import shape
from profiles.models.model import LoadedModel

Progress = Callable[[int, int], None]
# As in `HookedModel`: on a CPU, so many values stay in the core's cache over all passes.
_CHUNK = 1 << 16


def short_lines(loaded: LoadedModel, corpus: Corpus) -> Corpus:
    """`corpus` without lines that are too long, or without a token, in some language.

    Raises:
        CorpusError: see `parallel`.
    """
    usable: dict[str, set[int]] = {}
    for tag, texts in corpus.texts.items():
        encoded = loaded.tokenizer(list(texts), return_special_tokens_mask=True, verbose=False)
        real = [len(mask) - sum(mask) for mask in encoded["special_tokens_mask"]]
        pairs = zip(corpus.numbers_of(tag), real, strict=True)
        usable[tag] = {number for number, count in pairs if 0 < count <= MAX_TOKENS}
    return parallel(corpus, usable)


def read_layers(
    loaded: LoadedModel,
    corpus: Corpus,
    *,
    down_projection: str | None = None,
    batch_tokens: int = BATCH_TOKENS,
    memory_limit: int = MEMORY_LIMIT,
    progress: Progress | None = None,
) -> Readings:
    """One forward pass over `corpus`, in batches of sentences of similar length.

    Args:
        loaded: the model; its LM head is not run.
        corpus: from `short_lines`.
        down_projection: see `find_ffns`.
        batch_tokens: see `plan`.
        memory_limit: bytes of what is kept above which it goes to temporary files.
        progress: called with (tokens done, tokens in all).

    Raises:
        CorpusError: what is kept does not fit on the disk.
        ModelError: the model has one layer, or no FFN neurons to read, or they are not finite.
    """
    site = find_site(loaded.model, "ffn", down_projection)
    if len(site.ffns) < 2:
        raise ModelError(
            f"{type(loaded.model).__name__} has 1 layer: comparing layers takes at least two"
        )
    batches = plan(loaded.tokenizer, corpus, batch_tokens)
    lines = len(next(iter(corpus.texts.values())))
    assert len(batches.labels) == len(corpus.texts) * lines, "short_lines keeps what plan keeps"
    with ExitStack() as stack:
        kept = _Kept(stack, site, batches, memory_limit)
        with _Hooks(site, loaded.device).attached() as hooks, torch.inference_mode():
            done, total = 0, sum(len(s.ids) for b in batches.batches for s in b.sentences)
            for batch in batches.batches:
                hooks.begin(batch)
                ids, mask, _ = (tensor.to(loaded.device) for tensor in batch.tensors())
                loaded.decoder(input_ids=ids, attention_mask=mask, use_cache=False)
                kept.take(batch, hooks)
                done += sum(len(s.ids) for s in batch.sentences)
                if progress:
                    progress(done, total)
        return kept.readings(lines)


class _Hooks:
    """Reads one batch at a time: by layer, what `Readings` holds of each of its sentences."""

    def __init__(self, site: Site, device: torch.device) -> None:
        self._site = site
        self._device = device

    def begin(self, batch: Batch) -> None:
        self._rows = len(batch.sentences)
        self._lengths = [len(sentence.ids) for sentence in batch.sentences]
        self._real = batch.tensors()[2].to(self._device)
        self._counts = self._real[: self._rows].sum(1)[:, None]
        self.means: dict[tuple[Half, int], Tensor] = {}
        self.shapes: dict[tuple[Half, int], Tensor] = {}
        self.active: dict[int, Tensor] = {}
        self.norms: dict[int, Tensor] = {}  # sums over all tokens

    @contextmanager
    def attached(self) -> Iterator[_Hooks]:
        with ExitStack() as stack:
            for layer, (gate, ffn) in enumerate(
                zip(self._site.gates, self._site.ffns, strict=True)
            ):
                handles = [
                    ffn.down.register_forward_pre_hook(
                        lambda _m, a, n=layer, own=gate is None: self._neurons(n, a[0], own)
                    ),
                    ffn.output.register_forward_hook(lambda _m, _a, h, n=layer: self._output(n, h)),
                ]
                if gate is not None:
                    handles.append(
                        gate.register_forward_hook(lambda _m, _a, x, n=layer: self._gate(n, x))
                    )
                for handle in handles:
                    stack.callback(handle.remove)
            yield self

    def _neurons(self, layer: int, x: Tensor, ungated: bool) -> None:
        self._take("detectors", layer, x)
        if ungated:
            self._gate(layer, x)

    def _output(self, layer: int, h: Tensor) -> None:
        self._take("combinators", layer, h)
        norms = [(values.norm(dim=-1) * real[:, 0]).sum() for values, real in self._chunks(h)]
        self.norms[layer] = torch.stack(norms).sum()

    def _take(self, half: Half, layer: int, x: Tensor) -> None:
        means, shapes = [], []
        for values, real in self._chunks(x):
            means.append(torch.bmm(real, values)[:, 0])
            both = torch.stack(shape(values), -1)  # [sentences, longest, 2]
            shapes.append(torch.bmm(real, both)[:, 0])
        self.means[half, layer] = torch.cat(means) / self._counts
        self.shapes[half, layer] = torch.cat(shapes) / self._counts

    def _gate(self, layer: int, x: Tensor) -> None:
        counts = [
            torch.bmm(real, torch.gt(values, 0, out=torch.empty_like(values)))[:, 0]
            for values, real in self._chunks(x)
        ]
        self.active[layer] = torch.cat(counts)

    def _chunks(self, x: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
        """(values float32 [sentences, longest, units], mask [sentences, 1, longest])."""
        # OPT folds batch and sequence into one axis before its FFN.
        x = x.reshape(*self._real.shape, -1)[: self._rows]
        real = self._real[: self._rows, None]
        rows = len(x) if x.is_cuda else max(1, _CHUNK // (x.shape[1] * x.shape[2]))
        for start in range(0, len(x), rows):
            some = slice(start, start + rows)
            longest = max(self._lengths[some])
            yield x[some, :longest].float(), real[some, :, :longest]


class _Kept:
    """What is kept of all batches."""

    def __init__(self, stack: ExitStack, site: Site, batches: Plan, limit: int) -> None:
        self._plan = batches
        self._layers = len(site.ffns)
        sentences = len(batches.labels)
        widths: dict[Half, int] = {
            "detectors": site.units,
            "combinators": site.ffns[0].hidden_size,
        }
        # Each gets its part of the memory: they are large, or small, together.
        parts = 4 * (site.units + widths["combinators"]) + 2 * site.units

        def store(width: int, kind: Stored) -> Responses:
            mine = limit * np.dtype(kind).itemsize * width // parts
            made = Responses((sentences, self._layers, width), kind, mine)
            return stack.enter_context(made)

        self._responses = {half: store(width, "float32") for half, width in widths.items()}
        self._active = store(site.units, "float16")  # counts up to MAX_TOKENS are exact in float16
        self._norms = np.zeros(self._layers)
        self._shapes = {half: np.zeros((2, sentences, self._layers), np.float32) for half in HALVES}

    def take(self, batch: Batch, hooks: _Hooks) -> None:
        rows = np.array([sentence.index for sentence in batch.sentences])
        layers = range(self._layers)
        if missing := [
            n for n in layers if n not in hooks.active or ("detectors", n) not in hooks.means
        ]:
            raise ModelError(
                f"the model never called the FFN modules of layer {missing[0]}; a fused kernel may "
                "have taken their place"
            )
        for half, stored in self._responses.items():
            means = torch.stack([hooks.means[half, n] for n in layers], 1).cpu().numpy()
            if not np.isfinite(means).all():
                raise ModelError("the model's activations are not finite; try --precision fp32")
            stored.write(rows, means)
            shapes = torch.stack([hooks.shapes[half, n] for n in layers], 1).cpu().numpy()
            self._shapes[half][:, rows] = np.moveaxis(shapes, -1, 0)
        self._norms += torch.stack([hooks.norms[n] for n in layers]).double().cpu().numpy()
        active = torch.stack([hooks.active[n] for n in layers], 1)
        self._active.write(rows, active.cpu().numpy())

    def readings(self, lines: int) -> Readings:
        languages = self._plan.languages
        tokens = np.zeros(len(self._plan.labels), np.int64)
        for batch in self._plan.batches:
            tokens[[s.index for s in batch.sentences]] = batch.counts
        by_line = (len(languages), lines)
        return Readings(
            languages=languages,
            lines=lines,
            tokens=tokens.reshape(by_line),
            responses={half: stored.array() for half, stored in self._responses.items()},
            active=self._active.array(),
            shapes={
                half: shapes.reshape(2, *by_line, self._layers)
                for half, shapes in self._shapes.items()
            },
            output_norms=self._norms / tokens.sum(),
        )
