"""The markers of a model's reasoning, from vLLM's configuration."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from steering.engine.reasoning import markers, no_markers


def config(start: list[int], end: list[int], parser: str = "qwen3", **more: Any) -> SimpleNamespace:
    reasoning = SimpleNamespace(
        reasoning_parser=parser,
        enabled=bool(start and end),
        reasoning_start_token_ids=start,
        natural_reasoning_end_token_ids=end,
    )
    without = SimpleNamespace(skip_tokenizer_init=True)
    given = {"reasoning_config": reasoning, "speculative_config": None, "model_config": without}
    return SimpleNamespace(**given | more)


STAGES = SimpleNamespace(pipeline_parallel_size=2)


def test_single_tokens_are_the_markers() -> None:
    assert no_markers(config([7], [8])) == ""
    assert no_markers(config([7], [8], parallel_config=STAGES, use_v2_model_runner=False)) == ""
    found = markers(config([7], [8]))
    assert (found.start, found.end, found.blanks) == (7, 8, frozenset())


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (config([7], [8], reasoning_config=None), "start it with --reasoning-parser"),
        (SimpleNamespace(), "start it with --reasoning-parser"),
        (config([], []), "the reasoning parser qwen3 names no markers of the"),
        (config([7, 9], [8]), "markers of 2 and 1 tokens"),
        (config([7], [8], "gemma4"), "puts a word after the start marker"),
        (config([7], [8], "k2_horizon"), "another pair of markers for each reasoning effort"),
        (config([7], [7]), "one marker for both ends"),
        (config([7], [8], speculative_config=object()), "without --speculative-config"),
        (config([7], [8], parallel_config=STAGES, use_v2_model_runner=True), "runner V1 only"),
    ],
)
def test_why_there_are_none(given: Any, said: str) -> None:
    assert said in no_markers(given)


def test_white_space_is_what_the_tokenizer_makes_of_it(tmp_path: Path) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    from vllm.config import ModelConfig, ReasoningConfig
    from vllm.tokenizers import cached_tokenizer_from_config

    from tests.tiny_model import SIZES, save_model

    model = ModelConfig(model=str(save_model(tmp_path, **SIZES)))
    reasoning = ReasoningConfig(reasoning_start_str="<bos>", reasoning_end_str="<eos>")
    reasoning.initialize_token_ids(model)
    given = SimpleNamespace(reasoning_config=reasoning, model_config=model)
    assert no_markers(given) == ""
    found = markers(given)
    tokenizer = cached_tokenizer_from_config(model_config=model)
    assert (found.start, found.end) == (2, 1)
    assert {tokenizer.decode([token]) for token in found.blanks} == {"\n", "\r", "\t", " "}


@pytest.mark.parametrize(
    ("parser", "said"),
    [
        ("qwen3", ""),
        ("deepseek_r1", ""),
        ("glm45", ""),
        # Has them only for requests that ask for thinking.
        ("deepseek_v3", "the reasoning parser deepseek_v3 names no markers of the"),
        ("openai_gptoss", "the reasoning parser openai_gptoss names no markers of the"),
        ("granite", "the reasoning parser granite names no markers of the"),
    ],
)
def test_which_of_vllms_parsers_have_markers(tmp_path: Path, parser: str, said: str) -> None:
    pytest.importorskip("vllm", reason="vLLM is not installed")
    from transformers import AutoTokenizer
    from vllm.config import ModelConfig, ReasoningConfig

    from tests.tiny_model import SIZES, save_model

    folder = save_model(tmp_path, **SIZES)
    tokenizer = AutoTokenizer.from_pretrained(folder)
    tokenizer.add_tokens(["<think>", "</think>"])
    tokenizer.save_pretrained(folder)
    model = ModelConfig(model=str(folder))

    def given(**more: str) -> SimpleNamespace:
        reasoning = ReasoningConfig(reasoning_parser=parser, **more)
        reasoning.initialize_token_ids(model)
        return SimpleNamespace(reasoning_config=reasoning, model_config=model)

    why = no_markers(given())
    assert why.startswith(said)
    assert bool(said) == bool(why)
    marks = {"reasoning_start_str": "<think>", "reasoning_end_str": "</think>"}
    if said:
        assert f"--reasoning-config '{json.dumps(marks)}'" in why
        assert no_markers(given(**marks)) == ""
    found = markers(given(**marks))
    assert [found.start, found.end] == tokenizer.convert_tokens_to_ids([*marks.values()])
