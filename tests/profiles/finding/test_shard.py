"""Several processes against one. Ray starts once: it is by far the most of these seconds."""

from __future__ import annotations

import socket
import sys
import time
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from profiles.corpora.corpus import read_corpus
from profiles.finding.activations import Activations, record
from profiles.finding.backend import BackendError
from profiles.finding.batches import plan
from profiles.finding.cluster import probe_cluster
from profiles.finding.shard import Shards, record_sharded
from profiles.models.model import LoadedModel, load_model


@pytest.fixture(scope="module")
def loaded(tiny_folder: Path) -> LoadedModel:
    return load_model(tiny_folder, "tiny", "fp32")


@pytest.fixture(scope="module")
def embedded() -> Iterator[Any]:
    """A Ray of our own program, which langsteer finds running and leaves running."""
    ray = pytest.importorskip("ray")
    ray.init(
        address="local",
        num_cpus=2,
        include_dashboard=False,
        log_to_driver=False,
        logging_level="ERROR",
    )
    yield ray
    ray.shutdown()


@pytest.fixture
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.mark.usefixtures("one_thread")
def test_two_processes_give_what_one_gives_bit_for_bit(
    embedded: Any, loaded: LoadedModel, tiny_folder: Path, corpus_folder: Path
) -> None:
    corpus = read_corpus(str(corpus_folder))
    assert len(plan(loaded.tokenizer, corpus).batches) > 3, "the batches must be worth sharing"
    shards = Shards(folder=tiny_folder, workers=2, threads=1, precision="fp32")
    seen: list[tuple[int, int]] = []
    several = record_sharded(
        shards, loaded.tokenizer, corpus, progress=lambda done, total: seen.append((done, total))
    )
    alone = record(loaded, corpus)
    for field in fields(Activations):
        ours, theirs = getattr(several, field.name), getattr(alone, field.name)
        if isinstance(ours, np.ndarray):
            np.testing.assert_array_equal(ours, theirs, err_msg=field.name)
        else:
            assert ours == theirs
    assert seen == sorted(seen)
    assert seen[-1][0] == seen[-1][1]
    assert embedded.is_initialized()


def test_a_worker_says_why_it_failed(
    embedded: Any, loaded: LoadedModel, tiny_folder: Path, corpus_folder: Path
) -> None:
    corpus = read_corpus(str(corpus_folder))
    shards = Shards(folder=tiny_folder, workers=1, threads=1, down_projection="mlp.nothing")
    with pytest.raises(BackendError, match=r"a worker failed: .*'mlp\.nothing' is not one"):
        record_sharded(shards, loaded.tokenizer, corpus)
    assert embedded.is_initialized()


def test_without_ray_the_error_names_the_extra(
    loaded: LoadedModel, tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "ray", None)
    with pytest.raises(BackendError, match=r"pip install 'langsteer\[scale\]'"):
        list(Shards(folder=tiny_folder).run([]))


def test_no_workers_is_an_error(tiny_folder: Path) -> None:
    with pytest.raises(ValueError, match="workers is 0"):
        list(replace(Shards(folder=tiny_folder), workers=0).run([]))


def test_a_running_cluster_answers(embedded: Any) -> None:
    probe_cluster(embedded.get_runtime_context().gcs_address)


def test_an_unused_port_is_an_error_within_seconds(
    tiny_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ray = pytest.importorskip("ray")
    monkeypatch.setattr(ray, "is_initialized", lambda: False)
    with socket.create_server(("127.0.0.1", 0)) as server:
        port = server.getsockname()[1]
    begun = time.monotonic()
    shards = Shards(folder=tiny_folder, address=f"127.0.0.1:{port}")
    with pytest.raises(BackendError, match=f"no Ray cluster answers at 127.0.0.1:{port}"):
        list(shards.run([]))
    assert time.monotonic() - begun < 15
