"""What a request asks for, checked against what is on offer. Pure: no I/O, no framework."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from server.applied import AppliedSteering
from server.catalog import Catalog
from server.errors import PolicyError
from server.routes import STEERABLE
from server.shown import shown
from server.wish import FIELD, HEADER, REASONING, Wish
from steering.request import PREFIX


def decide(
    *,
    path: str,
    header: Sequence[str],
    body: Any,
    catalog: Catalog,
    max_strength: float,
    no_reasoning: str = "",
) -> AppliedSteering | None:
    """The steering of one request, or None where it asks for none.

    Args:
        path: the route, without a root path.
        header: every value of X-Steering-Target that was sent.
        body: the parsed JSON body; None where it is not JSON.
        catalog: the profiles on offer.
        max_strength: the largest strength allowed.
        no_reasoning: why reasoning cannot be steered apart on this server; "" where it can.

    Raises:
        PolicyError: anything about steering is wrong, or it was asked for where it cannot be
            given. Never anything else.
    """
    fields = body if isinstance(body, Mapping) else {}
    refuse_lookalikes(fields)
    wish = fields.get(FIELD)
    if wish is None and not header:
        return None
    if path not in STEERABLE:
        raise PolicyError(
            f"requests to {shown(path)} cannot be steered; "
            f"these can: {', '.join(sorted(STEERABLE))}",
            param=FIELD if wish is not None else HEADER,
            reason="unsupported_path",
        )
    refuse_options(fields)
    if not isinstance(body, Mapping):
        raise PolicyError("a steered request's body must be a JSON object", reason="malformed_body")
    applied = Wish(wish, header, catalog, max_strength).resolve()
    refuse_reasoning(applied, no_reasoning, fields)
    return applied


def refuse_reasoning(
    applied: AppliedSteering, no_reasoning: str, fields: Mapping[str, Any]
) -> None:
    """Steering of the reasoning apart from the answer, where the server cannot.

    Args:
        applied: what was decided.
        no_reasoning: why it cannot; "" where it can.
        fields: of the body.

    Raises:
        PolicyError: it cannot, and is to.
    """
    if fields.get("prompt_embeds"):
        no_reasoning = no_reasoning or "a prompt of embeddings (prompt_embeds) shows no markers"
    if no_reasoning and applied.reasoning is not None:
        raise PolicyError(
            f"the reasoning cannot be steered apart from the answer: {no_reasoning}. Leave "
            f"{FIELD}.{REASONING} out, and both are steered alike",
            param=f"{FIELD}.{REASONING}",
            reason="unsupported_option",
        )


def refuse_lookalikes(fields: Mapping[str, Any]) -> None:
    """Steering that vLLM would ignore, or that would bypass these checks.

    Raises:
        PolicyError: the body holds some.
    """
    if other := _respelled(fields):
        raise PolicyError(
            f"the body has the key {shown(other)}; the field is called {FIELD}",
            param=other,
            reason="unknown_key",
        )
    extra = fields.get("extra_body")
    if isinstance(extra, Mapping) and (extra.get(FIELD) is not None or _respelled(extra)):
        raise PolicyError(
            "extra_body is an argument of the openai client, not a field of the request: "
            f"put {FIELD} at the top level of the JSON body",
            param=f"extra_body.{FIELD}",
            reason="unknown_key",
        )
    sampling = fields.get("sampling_params")
    places = {"vllm_xargs": fields.get("vllm_xargs")}
    if isinstance(sampling, Mapping):
        places["sampling_params.extra_args"] = sampling.get("extra_args")
    for place, args in places.items():
        for key in args if isinstance(args, Mapping) else ():
            if key.startswith(PREFIX):
                raise PolicyError(
                    f"{place} holds {shown(key)}: names that start with {PREFIX} are reserved; "
                    f"use the field {FIELD}",
                    param=place,
                    reason="reserved",
                )


def _respelled(fields: Mapping[str, Any]) -> str | None:
    """A key with a value that is the steering field but for capitals, e.g. "Steering"."""
    found = (k for k, value in fields.items() if k.lower() == FIELD != k and value is not None)
    return next(found, None)


def refuse_options(fields: Mapping[str, Any]) -> None:
    """Options of a steerable endpoint under which vLLM would drop the steering.

    Raises:
        PolicyError: the body has one.
    """
    if fields.get("use_beam_search"):
        raise PolicyError(
            "use_beam_search cannot be steered: send it without steering, or sample",
            param="use_beam_search",
            reason="unsupported_option",
        )
    xargs = fields.get("vllm_xargs")
    if xargs is not None and not isinstance(xargs, Mapping):
        raise PolicyError(
            f"vllm_xargs is {shown(xargs)}, must be an object",
            param="vllm_xargs",
            reason="bad_type",
        )
