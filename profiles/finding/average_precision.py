"""Average precision of neurons as detectors of a language (Kojima et al. 2024). Pure."""

from __future__ import annotations

import os
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
from numpy.typing import NDArray

_CHUNK_BYTES = 64 << 20
_THREADS = 8

Responses = NDArray[np.floating[Any]]  # float32 or float16


def average_precision(
    responses: Responses, labels: NDArray[np.integer], languages: int
) -> NDArray[np.float32]:
    """Average precision of every neuron as a detector of every language.

    AP = sum_k (R_k - R_{k-1}) P_k over the distinct responses, from the highest down; positives
    are the language's sentences, negatives all others (Kojima et al. 2024, section 2.2). Equal
    responses share one threshold, as in scikit-learn's `average_precision_score`.

    One sort a neuron serves all languages: let p(s) be the number of sentences whose response
    is at least that of sentence s, r(s) the number of those that share its language; then AP of a
    language is the mean of r(s) / p(s) over its sentences.

    Neurons are taken a chunk at a time, so that beside the responses only some hundred megabytes
    a thread are needed, however many neurons there are.

    Args:
        responses: [sentences, neurons], finite, float32 or float16; may be memory-mapped.
        labels: [sentences], language of each sentence, in 0..languages-1.
        languages: how many languages there are; each needs a sentence.

    Returns:
        [languages, neurons], in 0..1.

    Raises:
        ValueError: a shape, a label or a response is out of its range.
    """
    if responses.dtype not in (np.float32, np.float16):
        raise ValueError(f"responses are {responses.dtype}, expected float32 or float16")
    sentences, neurons = responses.shape
    if labels.shape != (sentences,):
        raise ValueError(f"labels have shape {labels.shape}, expected ({sentences},)")
    counts = np.bincount(labels, minlength=languages)
    if len(counts) != languages or not counts.all():
        raise ValueError(f"every language in 0..{languages - 1} needs a sentence, counts {counts}")
    width = max(1, _CHUNK_BYTES // (8 * sentences))
    starts = range(0, neurons, width)
    out = np.empty((languages, neurons), np.float32)

    def score(start: int) -> None:
        out[:, start : start + width] = _chunk(responses[:, start : start + width], labels, counts)

    # numpy sorts outside the interpreter's lock.
    with ThreadPoolExecutor(min(_THREADS, len(_cpus()))) as pool:
        list(pool.map(score, starts))
    return out


def _chunk(
    responses: Responses, labels: NDArray[np.integer], counts: NDArray[np.integer]
) -> NDArray[np.float64]:
    if not np.isfinite(responses).all():
        raise ValueError("responses hold NaN or infinite values")
    sentences, neurons = responses.shape
    # Key = (response, highest first) in the upper half, label in the lower: sorting plain
    # integers is several times faster than an argsort, and float16 needs keys of half the size.
    narrow = responses.dtype == np.float16 and len(counts) <= 1 << 16
    key: type[np.signedinteger[Any]] = np.int32 if narrow else np.int64
    half = 16 if narrow else 32
    if not narrow:
        responses = responses.astype(np.float32, copy=False)
    keys = np.empty((neurons, sentences), key)
    keys[:] = _descending(np.ascontiguousarray(responses.T))
    keys <<= half
    keys |= labels.astype(key)
    keys.sort(axis=1)
    order = (keys & ((1 << half) - 1)).astype(_smallest(len(counts)))
    value: NDArray[Any] = (keys >> half).astype(np.int16 if narrow else np.int32)
    del keys
    last = _last_of_ties(value)  # [neurons, sentences], None where no two responses are equal
    # A row's positions by language, ascending: the labels are few, so this is a radix sort.
    position = np.argsort(order, axis=1, kind="stable").astype(np.int32)
    out = np.empty((len(counts), neurons))
    start = 0
    for language, count in enumerate(counts):
        at = position[:, start : start + count]
        start += count
        rank = np.arange(1, count + 1)
        if last is None:
            out[language] = (rank / (at + 1)).mean(axis=1)
            continue
        end = np.take_along_axis(last, at, axis=1)
        # Sentences of one language in one tie group share `end`; all have the rank of the last.
        ties = _last_of_ties(end)
        share = rank if ties is None else ties + 1
        out[language] = (share / (end + 1)).mean(axis=1)
    return out


def _descending(values: Responses) -> NDArray[Any]:
    """Signed integers, as wide, that sort ascending as the floats sort descending; as equal."""
    integer: type[np.signedinteger[Any]] = np.int16 if values.dtype == np.float16 else np.int32
    bits: NDArray[Any] = values.view(integer)
    # Sign and magnitude; both zeros become 0.
    return np.where(bits < 0, bits & np.iinfo(integer).max, -bits)


def _last_of_ties(ordered: NDArray[np.signedinteger[Any]]) -> NDArray[np.int32] | None:
    """Index of the last entry equal to each, along sorted rows; None where all differ."""
    same = ordered[:, 1:] == ordered[:, :-1]
    if not same.any():
        return None
    width = ordered.shape[1]
    last = np.empty(ordered.shape, np.int32)
    at = np.arange(width, dtype=np.int32)
    last[:, :-1] = np.where(same, np.int32(width), at[:-1])
    last[:, -1] = at[-1]
    # From the right, the running minimum is the nearest entry that ends its group.
    return np.minimum.accumulate(last[:, ::-1], axis=1)[:, ::-1]


def _smallest(count: int) -> type[np.unsignedinteger]:
    return np.uint8 if count <= 1 << 8 else np.uint16 if count <= 1 << 16 else np.uint32


def _cpus() -> set[int]:
    if hasattr(os, "sched_getaffinity"):
        return os.sched_getaffinity(0)
    return set(range(os.cpu_count() or 1))
