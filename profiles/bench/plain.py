"""Neuron finding as one would first write it: a sentence at a time, a neuron at a time.

What Kojima et al. (2024) describe, from their text: responses by forward passes of single
sentences, average precision by scikit-learn, the top and bottom neurons of each language.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from profiles.models.architecture import find_dense_ffns
from profiles.models.model import LoadedModel


def plain_responses(
    loaded: LoadedModel, sentences: Sequence[str], down_projection: str | None = None
) -> NDArray[np.float32]:
    """Mean of every neuron over each sentence's real tokens, [sentences, layers * neurons]."""
    seen: list[Tensor] = []
    rows = []
    with torch.no_grad(), _noting(loaded, seen, down_projection):
        for sentence in sentences:
            encoded = loaded.tokenizer(sentence, return_special_tokens_mask=True)
            ids = torch.tensor([encoded["input_ids"]], device=loaded.device)
            real = ~torch.tensor(encoded["special_tokens_mask"], device=loaded.device).bool()
            seen.clear()
            loaded.decoder(input_ids=ids, use_cache=False)
            means = [y.reshape(len(real), -1)[real].float().mean(0) for y in seen]
            rows.append(torch.cat(means).cpu().numpy())
    return np.stack(rows)


def plain_scores(
    responses: NDArray[np.float32], labels: NDArray[np.integer], languages: int
) -> NDArray[np.float64]:
    """Average precision of each neuron for each language, [languages, neurons]."""
    from sklearn.metrics import average_precision_score

    scores = np.empty((languages, responses.shape[1]))
    for language in range(languages):
        positive = labels == language
        for neuron in range(responses.shape[1]):
            scores[language, neuron] = average_precision_score(positive, responses[:, neuron])
    return scores


def plain_selection(scores: NDArray[np.floating[Any]], count: int) -> list[list[int]]:
    """The top and the bottom `count`/2 neurons of each language."""
    orders = [np.argsort(row).tolist() for row in scores]
    count = min(count, scores.shape[1])
    low = count // 2
    return [order[:low] + order[len(order) - (count - low) :] for order in orders]


@contextmanager
def _noting(loaded: LoadedModel, seen: list[Tensor], down_projection: str | None) -> Iterator[None]:
    ffns = find_dense_ffns(loaded.model, down_projection)
    handles = [
        ffn.down.register_forward_pre_hook(lambda _m, args: seen.append(args[0])) for ffn in ffns
    ]
    try:
        yield
    finally:
        for handle in handles:
            handle.remove()
