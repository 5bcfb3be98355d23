"""Random models of a few kilobytes, whole Hugging Face folders, made from their configurations."""

from __future__ import annotations

from pathlib import Path
from typing import Any

# A model that vLLM's CPU kernels take, so large that no two tokens are nearly tied.
SIZES: dict[str, Any] = {
    "hidden_size": 64,
    "intermediate_size": 160,
    "num_hidden_layers": 3,
    "num_attention_heads": 2,
    "num_key_value_heads": 1,
    "head_dim": 32,
    "max_position_embeddings": 512,
    "initializer_range": 0.15,
    "tie_word_embeddings": False,
}


def save_tokenizer(folder: Path) -> int:
    """A byte-level tokenizer that adds BOS; returns the size of its vocabulary."""
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {"<pad>": 0, "<eos>": 1, "<bos>": 2} | {c: i + 3 for i, c in enumerate(alphabet)}
    tokenizer = Tokenizer(models.BPE(vocab=vocab, merges=[]))
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", special_tokens=[("<bos>", 2)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, bos_token="<bos>", eos_token="<eos>", pad_token="<pad>"
    ).save_pretrained(folder)
    return len(vocab)


def save_model(folder: Path, family: str = "Llama", **config: Any) -> Path:
    """A random model of `family` with that tokenizer.

    Args:
        folder: an empty one.
        family: as transformers names its configuration, e.g. "Llama" for LlamaConfig.
        config: of the model; token ids and the vocabulary are given.
    """
    import torch
    import transformers

    size = save_tokenizer(folder)
    torch.manual_seed(0)
    made = getattr(transformers, f"{family}Config")(
        vocab_size=size, bos_token_id=2, eos_token_id=1, pad_token_id=0, **config
    )
    transformers.AutoModelForCausalLM.from_config(made).save_pretrained(folder)
    return folder
