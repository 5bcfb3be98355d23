"""What the benchmarks that load a model share: options, loading, facts, waiting for the GPU."""

from __future__ import annotations

import argparse
import sys
from typing import Any

import torch

from profiles.finding.batches import Plan
from profiles.models.model import LoadedModel, load_model
from profiles.models.resolve import resolve_model


def model_parser(about: str) -> argparse.ArgumentParser:
    """A parser that knows the options all of them have."""
    parser = argparse.ArgumentParser(description=about)
    parser.add_argument("--json", action="store_true", help="print JSON instead of text")
    parser.add_argument("--model", default="demo", help="folder, hub id, or demo (default)")
    parser.add_argument("--precision", default="auto", choices=["auto", "bf16", "fp32"])
    parser.add_argument("--corpus", default="starter", help="as in langsteer profile")
    parser.add_argument("--rounds", type=int, default=3, help="interleaved rounds (default 3)")
    return parser


def load(options: argparse.Namespace) -> LoadedModel:
    """The model that the options name."""
    folder = resolve_model(options.model, lambda line: print(line, file=sys.stderr))
    return load_model(folder, options.model, options.precision)


def facts(options: argparse.Namespace, loaded: LoadedModel) -> dict[str, Any]:
    """What was measured, and on what; for JSON."""
    return {
        "model": options.model,
        "device": str(loaded.device),
        "dtype": str(loaded.model.dtype),
        "threads": torch.get_num_threads(),
        "rounds": options.rounds,
    }


def forward_passes(loaded: LoadedModel, batches: Plan) -> None:
    """The bare forward passes that reading the batches takes, and nothing else."""
    with torch.inference_mode():
        for batch in batches.batches:
            ids, mask, _ = (tensor.to(loaded.device) for tensor in batch.tensors())
            loaded.decoder(input_ids=ids, attention_mask=mask, use_cache=False)
        wait(loaded)


def wait(loaded: LoadedModel) -> None:
    """Until the GPU has done what it was given, where the model is on one."""
    if loaded.device.type == "cuda":
        torch.cuda.synchronize(loaded.device)
