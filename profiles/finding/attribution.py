"""What each neuron contributes, to first order, to writing a language: one backward pass a batch.

Average precision, LAPE and mean differences say which neurons notice a language. The gradient
says which ones make the model write it.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager

import numpy as np
import torch
from torch import Tensor, nn

from profiles.errors import CorpusError
from profiles.learning.prefixes import Role, sample
from profiles.learning.targets import Encoder, TextLoss, batches
from profiles.models.architecture import find_dense_ffns
from profiles.models.ffn import DenseFFN
from profiles.models.model import LoadedModel
from profiles.profile import Floats

Progress = Callable[[int, int], None]


def attribute(
    loaded: LoadedModel,
    texts: Mapping[str, Sequence[str]],
    language: str,
    scale: Floats,
    *,
    role: Role = "target",
    examples: int = 128,
    batch: int = 16,
    context: int = 40,
    length: int = 12,
    negatives: int = 4096,
    along: Sequence[float] = (0.1, 0.3, 0.6, 1.0),
    seed: int = 0,
    progress: Progress | None = None,
    down_projection: str | None = None,
) -> Floats:
    """First-order gain in log-likelihood of a language's text from moving each neuron.

    a_i = s_i * sum_e sum_t d/dy_it sum_n log p(x_n | context, x_<n) / sum_e T_e, over examples e
    of T_e tokens x of text of the language after a foreign context; y_it is neuron i at position
    t, s_i its `scale`. So a_i is what the edit "add s_i to neuron i at every position" gains in
    nats a text token, to first order. With s_i the difference of the neuron's mean between the
    language and the others this is attribution patching (Nanda 2023; Syed et al. 2023),
    (y_clean - y_corrupt) * dM/dy, with the means of two languages in place of the activations of
    two prompts; with a standard deviation its size compares neurons and its sign says where to
    move them.

    The first order holds for far smaller edits than are of use: the gradient of an unedited model
    promises many times what the edit then gains. As integrated gradients do (Sundararajan et al.
    2017), derivatives are therefore taken at points on the way, with `along` times `scale` added
    to all neurons, and averaged; the batches take turns, so that this costs nothing.

    Gradients are summed over positions by autograd itself: a vector of zeros is added to the
    input of each down projection, and its gradient is that sum. Nothing of size positions x
    neurons is kept but what any backward pass keeps.

    Args:
        loaded: a model with its LM head.
        texts: lines by language, `language` and at least one other.
        language: whose text is to become likelier.
        scale: [layers, neurons], s; e.g. `difference(token_mean)` of the language.
        role: "target", or "suppress" for text of the others after contexts in the language.
        examples: how many are averaged over, in batches of `batch`.
        context, length: at most so many tokens of context and of text; the first few tokens are
            those that decide on the language.
        along: the points, in units of `scale`; (0,) is the plain gradient.
        negatives: vocabulary sampled besides the corpus's, see `TextLoss`; 0 for all of it.
        seed: of the examples and the sampled vocabulary.
        progress: called with (examples done, examples in all).
        down_projection: see `find_ffns`.

    Returns:
        float32 [layers, neurons], signed.

    Raises:
        CorpusError: no text in the language, or in no other.
        ValueError: `scale` does not have the model's shape.
    """
    _check(texts, language)
    ffns = find_dense_ffns(loaded.model, down_projection)
    shape = (len(ffns), ffns[0].intermediate_size)
    if scale.shape != shape:
        raise ValueError(f"scale has shape {scale.shape}, the model's neurons {shape}")
    encode = Encoder(loaded.tokenizer, context=context, length=length)
    drawn = sample(texts, language, role, examples, random.Random(seed))
    ready = batches([encode(e) for e in drawn], batch, encode, early=length)
    loss = TextLoss(loaded.model, encode.vocabulary(texts), negatives, seed)
    total, tokens, done = np.zeros(shape), 0, 0
    with torch.enable_grad(), _shifts(ffns) as shifts:
        for n, b in enumerate(ready):
            count = int(b.counts.sum())
            if not count:
                continue
            with torch.no_grad():
                for shift, s in zip(shifts, scale, strict=True):
                    shift.copy_(torch.from_numpy(along[n % len(along)] * s))
            # The loss is a mean over text tokens; batches count by theirs.
            grads = torch.autograd.grad(loss(b), shifts)
            total -= count * torch.stack([g.cpu() for g in grads]).numpy()
            tokens += count
            done += len(b.ids)
            if progress:
                progress(done, len(drawn))
    return (scale * total / max(1, tokens)).astype(np.float32)


@contextmanager
def _shifts(ffns: Sequence[DenseFFN]) -> Iterator[list[Tensor]]:
    """Within the block a vector of zeros is added to every FFN's neurons; yields the vectors."""
    shifts = []
    handles = []
    for ffn in ffns:
        like = next(ffn.down.parameters())
        shift = torch.zeros(
            ffn.intermediate_size, device=like.device, dtype=torch.float32, requires_grad=True
        )

        def add(_m: nn.Module, args: tuple[Tensor, ...], shift: Tensor = shift) -> object:
            return (args[0] + shift.to(args[0].dtype), *args[1:])

        handles.append(ffn.down.register_forward_pre_hook(add))
        shifts.append(shift)
    try:
        yield shifts
    finally:
        for handle in handles:
            handle.remove()


def _check(texts: Mapping[str, Sequence[str]], language: str) -> None:
    if not texts.get(language):
        raise CorpusError(f"no text in {language!r} to attribute; the corpus has {sorted(texts)}")
    if len(texts) < 2:
        raise CorpusError(f"attributing {language!r} needs text in another language as well")
