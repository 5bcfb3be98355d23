"""Which backend runs a model over a corpus, from the command line's options."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from profiles.errors import LangsteerError

if TYPE_CHECKING:
    from profiles.finding.backend import Backend

BACKENDS = ("transformers", "vllm")


@dataclass(frozen=True, kw_only=True)
class BackendChoice:
    """Where the forward passes over the corpus run.

    Attributes:
        name: one of BACKENDS.
        workers: processes, each with the model or, with vLLM, each with a slice of it.
        ray_address: of a Ray cluster; None for this machine.
    """

    name: str
    workers: int
    ray_address: str | None

    @property
    def loads_weights(self) -> bool:
        """Whether transformers must hold the model for the corpus to be read."""
        return self.name == "transformers"

    def check(self, down_projection: str | None) -> None:
        """What can be known before a model is loaded, which may take minutes.

        Raises:
            LangsteerError: options that do not go together, or no Ray cluster at the address.
        """
        if self.name == "vllm" and (self.ray_address or down_projection):
            raise LangsteerError(
                "--backend vllm takes neither --ray-address nor --down-projection: vLLM "
                "spreads a model itself, and knows its layers"
            )
        if self.ray_address:
            from profiles.finding.cluster import probe_cluster

            probe_cluster(self.ray_address)

    def open(self, folder: Path, precision: str, down_projection: str | None) -> Backend | None:
        """The backend; None for this process's own model.

        Raises:
            LangsteerError: a backend that is not installed; call `check` first for the rest.
        """
        if self.name == "vllm":
            from profiles.finding.backend import find_backend

            return find_backend("vllm")(
                folder, precision=precision, workers=self.workers, options={}
            )
        if self.workers == 1 and self.ray_address is None:
            return None
        from profiles.finding.shard import Shards

        return Shards(
            folder=folder,
            workers=self.workers,
            address=self.ray_address,
            precision=precision,  # type: ignore[arg-type]
            down_projection=down_projection,
        )
