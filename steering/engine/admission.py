"""The engine core's own check: which requests may come in, and which profiles may go.

Workers know the running batch only, and an exception there ends the engine for everybody. The core
sees every request before the scheduler does, and every call to the workers in the same order.
"""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from steering.engine.arming import wanted
from steering.engine.compat import lacking
from steering.engine.reasoning import no_markers
from steering.errors import EngineError
from steering.request import SteeringRequest

logger = logging.getLogger("vllm.langsteer")

_ATTRIBUTE = "langsteer_admission"
# In a worker's place, with the core's knowledge: the answer where a profile is still needed.
IN_USE = "profile {} is in use by running requests"


class Admission:
    """Which profiles the workers have, as their own answers tell.

    Args:
        no_reasoning: why reasoning cannot be steered apart from the answer; "" where it can.
    """

    def __init__(self, no_reasoning: str = "") -> None:
        self._no_reasoning = no_reasoning
        self._roles: dict[str, frozenset[str]] = {}

    def check(
        self,
        extra_args: Mapping[str, Any] | None,
        *,
        resumable: bool = False,
        embedded: bool = False,
    ) -> None:
        """Refuse a request that the workers could not run as it asks.

        Args:
            extra_args: of its sampling parameters.
            resumable: more input may come to it later, with parameters that nothing here sees.
            embedded: its prompt is of embeddings, and has no tokens.

        Raises:
            ValueError: malformed steering arguments.
            EngineError: a profile that is not loaded, or has no such edit; it is resumable; or its
                reasoning cannot be told from its answer.
        """
        request = SteeringRequest.from_extra_args(extra_args)
        if request is None:
            return
        if resumable:
            raise EngineError("a request whose input streams in cannot be steered")
        if request.reasoning is not None:
            if self._no_reasoning:
                raise EngineError(f"reasoning cannot be steered apart: {self._no_reasoning}")
            if embedded:
                raise EngineError(
                    "reasoning cannot be steered apart where the prompt is of embeddings"
                )
        self._check_profiles(request)
        if isinstance(request.reasoning, SteeringRequest):
            self._check_profiles(request.reasoning)

    def _check_profiles(self, request: SteeringRequest) -> None:
        for role, named in (
            ("target", [request.target] if request.target else []),
            ("suppress", request.suppress),
        ):
            for content_hash in named:
                roles = self._roles.get(content_hash)
                if roles is None:
                    raise EngineError(f"profile {content_hash[:12]} is not loaded in this engine")
                if role not in roles:
                    raise EngineError(f"profile {content_hash[:12]} has no {role} edit")

    def needed(self, content_hash: str, live: Iterable[Mapping[str, Any] | None]) -> bool:
        """Whether a request names the profile.

        Args:
            live: extra args of every request that has been let in and has not ended.
        """
        found = (SteeringRequest.from_extra_args(extra_args) for extra_args in live)
        return any(one and content_hash in one.hashes for one in found)

    def note(self, method: str, answers: Iterable[Mapping[str, Any]]) -> None:
        """Learn from what all workers said to a call."""
        said = list(answers)
        if len({answer.get("hash") for answer in said} - {None}) != 1:
            return  # some refused: the API server takes it back
        content_hash = said[0].get("hash")
        if content_hash is None or any("error" in answer for answer in said):
            return
        if method == "langsteer_load":
            self._roles[content_hash] = frozenset(said[0]["roles"])
        elif method == "langsteer_unload":
            self._roles.pop(content_hash, None)


def missing() -> list[str]:
    """What this vLLM's engine core lacks, in words."""
    try:
        from vllm.v1.engine.core import EngineCore, EngineCoreProc
    except ImportError as error:
        return [f"vLLM's engine core cannot be imported ({error})"]
    return [
        *lacking(EngineCore, "add_request", ["self", "request", "request_wave"]),
        *lacking(EngineCore, "collective_rpc", ["self", "method", "timeout", "args"]),
        *lacking(
            EngineCoreProc, "_send_error_outputs_to_client", ["self", "req_ids", "client_index"]
        ),
    ]


def install() -> None:
    """Patches P8 and P9 (PATCHES.md)."""
    from vllm.v1.engine.core import EngineCore

    EngineCore.add_request = _checked(EngineCore.add_request)
    EngineCore.collective_rpc = _noted(EngineCore.collective_rpc)


def _admission(core: Any) -> Admission:
    if not hasattr(core, _ATTRIBUTE):
        setattr(core, _ATTRIBUTE, Admission(no_markers(core.vllm_config)))
    found: Admission = getattr(core, _ATTRIBUTE)
    return found


def _extra_args(request: Any) -> Mapping[str, Any] | None:
    params = request.sampling_params
    return params.extra_args if params else None


def _checked(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def add_request(self: Any, request: Any, request_wave: int = 0) -> Any:
        if wanted(self.vllm_config):
            try:
                _admission(self).check(
                    _extra_args(request),
                    resumable=request.resumable,
                    embedded=request.prompt_token_ids is None,
                )
            except (ValueError, EngineError) as error:
                # In a process of its own the core answers; else the caller is right here.
                tell = getattr(self, "_send_error_outputs_to_client", None)
                if tell is None:
                    raise
                logger.error("request %s is refused: %s", request.request_id, error)
                return tell([request.request_id], request.client_index)
        return original(self, request, request_wave)

    return add_request


def _noted(original: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(original)
    def collective_rpc(
        self: Any, method: Any, timeout: Any = None, args: Any = (), kwargs: Any = None
    ) -> Any:
        if not (isinstance(method, str) and method.startswith("langsteer_")):
            return original(self, method, timeout, args, kwargs)
        if method in ("langsteer_unload", "langsteer_in_use"):
            (content_hash,) = args
            live = (_extra_args(request) for request in self.scheduler.requests.values())
            if _admission(self).needed(content_hash, live):
                return [{"error": IN_USE.format(content_hash[:12])}]
        answers = original(self, method, timeout, args, kwargs)
        _admission(self).note(method, answers)
        return answers

    return collective_rpc
