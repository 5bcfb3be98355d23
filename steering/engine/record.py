"""The backend "vllm": reads neurons while vLLM runs the model, tensor-parallel."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from profiles.finding.backend import BackendError, Recorded
from profiles.finding.batches import Batch
from steering.engine.record_worker import ROW_KEY

_EXTENSION = "steering.engine.record_worker.RecordExtension"
_MAX_LENGTH = 512  # MAX_TOKENS, special tokens, and one that is sampled and thrown away
_DTYPES = {"auto": "bfloat16", "bf16": "bfloat16", "fp32": "float32"}


class VllmBackend:
    """An offline vLLM engine that runs each batch's sentences as prompts.

    The site is "ffn", as everywhere in vLLM: the output of the FFN's activation, before the down
    projection. Each worker sums over its own neurons; the slices are joined in rank order.

    Args:
        folder: a Hugging Face model folder.
        precision: "auto" or "bf16", or "fp32".
        workers: tensor-parallel size.
        options: further arguments of `vllm.LLM`.

    Raises:
        BackendError: vLLM is missing or does not start; the text says why.
    """

    def __init__(
        self,
        folder: Path,
        *,
        precision: str = "auto",
        workers: int = 1,
        options: Mapping[str, Any] | None = None,
    ) -> None:
        os.environ["VLLM_USE_V2_MODEL_RUNNER"] = "0"  # record_worker follows V1
        os.environ.setdefault("VLLM_LOGGING_LEVEL", "WARNING")
        try:
            from vllm import LLM
        except ImportError as error:
            raise BackendError(
                "the backend vllm needs vLLM, which is not installed: run "
                "pip install 'langsteer[gpu]' or 'langsteer[cpu]'"
            ) from error
        arguments: dict[str, Any] = {
            "model": str(folder),
            "dtype": _DTYPES[precision],
            "tensor_parallel_size": workers,
            "max_model_len": _MAX_LENGTH,
            # A cached prefix is not run, and what is not run is not seen.
            "enable_prefix_caching": False,
            "enforce_eager": True,
            "skip_tokenizer_init": True,
            "worker_extension_cls": _EXTENSION,
            **(options or {}),
        }
        try:
            self._llm: Any = LLM(**arguments)
        except Exception as error:  # vLLM raises what its many parts raise
            raise BackendError(f"vLLM does not start: {_line(error)}") from error

    def run(self, batches: Sequence[Batch]) -> Iterator[Recorded]:
        """See `Backend`."""
        from vllm import SamplingParams

        for batch in batches:
            labels = [sentence.label for sentence in batch.sentences]
            real = [list(sentence.real) for sentence in batch.sentences]
            self._ask("langsteer_record_begin", labels, real)
            self._llm.generate(
                [{"prompt_token_ids": list(sentence.ids)} for sentence in batch.sentences],
                [
                    SamplingParams(
                        max_tokens=1,
                        temperature=0.0,
                        detokenize=False,
                        extra_args={ROW_KEY: row},
                    )
                    for row in range(len(labels))
                ],
                use_tqdm=False,
            )
            yield join(self._ask("langsteer_record_end"))

    def _ask(self, method: str, *args: Any) -> list[dict[str, Any]]:
        answers: list[dict[str, Any]] = self._llm.collective_rpc(method, args=args)
        for worker, answer in enumerate(answers):
            if "error" in answer:
                raise BackendError(f"vLLM worker {worker}: {answer['error']}")
        return answers


def join(answers: Sequence[Mapping[str, Any]]) -> Recorded:
    """The workers' slices as one: neurons of a layer by rank, layers by pipeline stage.

    Args:
        answers: of `RecordExtension.langsteer_record_end`, one a worker.

    Raises:
        BackendError: slices are missing.
    """
    stages: dict[tuple[int, ...], list[Mapping[str, Any]]] = {}
    for answer in sorted(answers, key=lambda a: (a["layers"], a["rank"])):
        stages.setdefault(tuple(answer["layers"]), []).append(answer)
    layers = [layer for stage in stages for layer in stage]
    ranks = {tuple(answer["rank"] for answer in stage) for stage in stages.values()}
    if layers != list(range(len(layers))) or ranks != {tuple(range(len(answers) // len(stages)))}:
        raise BackendError(f"vLLM's workers hold layers {layers} on ranks {sorted(ranks)}")

    def units(name: str) -> NDArray[Any]:
        """[..., layers, units] from every worker's slice."""
        return np.concatenate(
            [np.concatenate([_array(a[name]) for a in stage], 2) for stage in stages.values()], 1
        )

    means = units("means")
    # Outputs are summed over the ranks already: every rank has them whole.
    outputs = np.concatenate([_array(stage[0]["outputs"]) for stage in stages.values()], 1)
    return Recorded(
        parts=((str(answers[0]["path"]), means.shape[2]),),
        means=means,
        labels=_array(answers[0]["labels"]),
        sums=units("sums"),
        squares=units("squares"),
        active=units("active"),
        outputs=outputs,
    )


def _array(sent: Sequence[Any]) -> NDArray[Any]:
    dtype, shape, data = sent
    return np.frombuffer(data, dtype).reshape(shape)


def _line(error: BaseException) -> str:
    lines = str(error).strip().splitlines()
    return lines[-1].strip() if lines else type(error).__name__
