"""LoRA adapters written by hand, as peft writes them, and models with one merged in."""

from __future__ import annotations

import json
from pathlib import Path

ALPHA, RANK = 8, 4


def save_adapter(folder: Path, model: Path, targets: tuple[str, ...], seed: int) -> Path:
    """A random adapter of `model` for its linear layers of these names.

    Args:
        folder: to be made.
        targets: last parts of module names, e.g. "down_proj".
        seed: of the random weights, which are large enough to change every answer.
    """
    import torch
    from safetensors.torch import save_file
    from transformers import AutoModelForCausalLM

    generator = torch.Generator().manual_seed(seed)
    tensors = {}
    for name, module in AutoModelForCausalLM.from_pretrained(model).named_modules():
        if name.rpartition(".")[2] in targets:
            wide, narrow = module.in_features, module.out_features
            for part, shape in {"lora_A": (RANK, wide), "lora_B": (narrow, RANK)}.items():
                made = 0.1 * torch.randn(shape, generator=generator)
                tensors[f"base_model.model.{name}.{part}.weight"] = made
    folder.mkdir()
    save_file(tensors, folder / "adapter_model.safetensors")
    config = {
        "peft_type": "LORA",
        "task_type": "CAUSAL_LM",
        "r": RANK,
        "lora_alpha": ALPHA,
        "target_modules": list(targets),
        "bias": "none",
    }
    (folder / "adapter_config.json").write_text(json.dumps(config))
    return folder


def save_merged(folder: Path, model: Path, adapter: Path) -> Path:
    """`model` with `adapter` added to its weights: W + alpha / r * B A (Hu et al. 2021)."""
    import torch
    from safetensors.torch import load_file
    from transformers import AutoModelForCausalLM

    merged = AutoModelForCausalLM.from_pretrained(model)
    tensors = load_file(adapter / "adapter_model.safetensors")
    with torch.no_grad():
        for name, up in tensors.items():
            if ".lora_B." in name:
                down = tensors[name.replace("lora_B", "lora_A")]
                module = name.removeprefix("base_model.model.").removesuffix(".lora_B.weight")
                merged.get_submodule(module).weight += ALPHA / RANK * up @ down
    merged.save_pretrained(folder)
    return folder
