"""A corpus read by several processes or GPUs, on Ray Data."""

from __future__ import annotations

import logging
import os
import pickle
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from profiles.corpora.corpus import Corpus
from profiles.finding.activations import Activations, Progress, record_through
from profiles.finding.backend import BackendError, Recorded
from profiles.finding.batches import BATCH_TOKENS, Batch
from profiles.finding.cluster import probe_cluster
from profiles.finding.responses import MEMORY_LIMIT, Stored
from profiles.finding.sites import SiteName
from profiles.models.model import Precision


@dataclass(frozen=True, kw_only=True)
class Shards:
    """A backend of several processes, each with the model loaded once.

    Attributes:
        folder: the model's; on a cluster, the same path on every machine, where langsteer is
            installed too.
        workers: processes.
        address: of a running Ray cluster, e.g. "auto" or "head:6379"; by default Ray runs
            embedded in this machine for as long as it is needed.
        threads: CPU threads a process; by default torch's, divided among the workers. Results
            are bit for bit those of one process with as many threads on the same hardware.
        gpus: GPUs a process; by default 1 where this machine has any.
        precision, site, down_projection: see `load_model` and `find_site`.
    """

    folder: Path
    workers: int = 2
    address: str | None = None
    threads: int | None = None
    gpus: float | None = None
    precision: Precision = "auto"
    site: SiteName = "ffn"
    down_projection: str | None = None

    def run(self, batches: Sequence[Batch]) -> Iterator[Recorded]:
        """What each batch did, in the order of `batches`, whoever ran them.

        Raises:
            BackendError: Ray is missing or does not start, no cluster answers at `address`, or a
                worker failed; says why.
        """
        if self.workers < 1:
            raise ValueError(f"workers is {self.workers}, must be at least 1")
        ray = _import_ray()
        import torch

        threads = self.threads or max(1, torch.get_num_threads() // self.workers)
        gpus = (1.0 if torch.cuda.is_available() else 0.0) if self.gpus is None else self.gpus
        with _started(ray, self.address, self.workers * threads):
            source = ray.data.from_items(
                [{"batch": pickle.dumps(batch)} for batch in batches],
                override_num_blocks=len(batches),
            )
            source.context.enable_progress_bars = False
            # Sums in floating point are added in one order, whichever worker is first.
            source.context.execution_options.preserve_order = True
            found = source.map_batches(
                _Worker,
                fn_constructor_kwargs={"shards": self, "threads": threads},
                batch_size=1,
                compute=ray.data.ActorPoolStrategy(size=min(self.workers, len(batches))),
                num_cpus=threads,
                num_gpus=gpus,
            )
            try:
                for row in found.iter_rows():
                    if row["error"]:
                        raise BackendError(f"a worker failed: {row['error']}")
                    yield pickle.loads(row["recorded"])
            except ray.exceptions.RayError as error:
                raise BackendError(f"a worker was lost: {_line(error)}") from error


def record_sharded(
    shards: Shards,
    tokenizer: Any,
    corpus: Corpus,
    *,
    batch_tokens: int = BATCH_TOKENS,
    memory_limit: int = MEMORY_LIMIT,
    stored: Stored = "float32",
    progress: Progress | None = None,
) -> Activations:
    """As `record`, in several processes.

    Args:
        shards: which model, and who runs it.
        tokenizer: the model's.
        corpus, batch_tokens, memory_limit, stored, progress: see `record`.

    Raises:
        BackendError: see `Shards.run`.
        CorpusError, ModelError: see `record`.
    """
    return record_through(
        shards,
        tokenizer,
        corpus,
        batch_tokens=batch_tokens,
        memory_limit=memory_limit,
        stored=stored,
        progress=progress,
    )


class _Worker:
    """Runs in a process of its own; failures travel as text, so that their reason arrives."""

    def __init__(self, shards: Shards, threads: int) -> None:
        import torch

        from profiles.finding.hooked import HookedModel
        from profiles.finding.sites import find_site
        from profiles.models.model import load_model

        torch.set_num_threads(threads)
        self._error = ""
        try:
            _refuse_restart()
            loaded = load_model(shards.folder, str(shards.folder), shards.precision)
            site = find_site(loaded.model, shards.site, shards.down_projection)
            self._model = HookedModel(loaded.decoder, site, loaded.device)
        except Exception as error:  # noqa: BLE001 whatever it is, the user is to read it
            self._error = _line(error)

    def __call__(self, rows: dict[str, Any]) -> dict[str, Any]:
        recorded = b""
        if not self._error:
            try:
                (batch,) = (pickle.loads(row) for row in rows["batch"])
                (result,) = self._model.run([batch])
                recorded = pickle.dumps(result, protocol=5)
            except Exception as error:  # noqa: BLE001 as above
                self._error = _line(error)
        return {
            "recorded": np.array([recorded], object),
            "error": np.array([self._error], object),
        }


def _refuse_restart() -> None:
    """Ray restarts a worker that died for ever; what killed it would most likely do so again."""
    import ray

    if ray.get_runtime_context().was_current_actor_reconstructed:
        raise BackendError("its process died; out of memory? Try fewer workers")


def _import_ray() -> Any:
    # Read when Ray starts: no usage report leaves this machine, and what its C++ parts remark on
    # (actors that could not be restarted, say) stays out of the progress bars.
    os.environ["RAY_USAGE_STATS_ENABLED"] = "0"
    os.environ.setdefault("RAY_BACKEND_LOG_LEVEL", "fatal")
    try:
        import ray
        import ray.data
        import ray.exceptions
    except ImportError as error:
        raise BackendError(
            "several workers need Ray Data, which is not installed: run "
            "pip install 'langsteer[scale]'"
        ) from error
    return ray


@contextmanager
def _started(ray: Any, address: str | None, cpus: int) -> Iterator[None]:
    """Ray running; embedded or connected to, unless the caller's program had started it."""
    if ray.is_initialized():
        yield
        return
    logging.getLogger("ray.data").setLevel(logging.ERROR)
    options: dict[str, Any] = {"logging_level": "ERROR", "log_to_driver": False}
    if address is None:
        options |= {"address": "local", "include_dashboard": False, "num_cpus": cpus}
    else:
        probe_cluster(address)
        options |= {"address": address}
    try:
        ray.init(**options)
    except Exception as error:  # Ray raises what its many parts raise
        where = "in this machine" if address is None else f"at {address}"
        raise BackendError(f"Ray does not start {where}: {_line(error)}") from error
    try:
        yield
    finally:
        ray.shutdown()


def _line(error: BaseException) -> str:
    """One line that says most: Ray puts the reason last, after a traceback."""
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
