"""How a decoder layer is put together: found from the tensors of one pass, and held to them."""

from __future__ import annotations

from dataclasses import dataclass

from torch import Tensor, nn

from profiles.errors import ModelError
from profiles.inside.mixing.norm import Norm, applied_norm, relative_error
from profiles.inside.mixing.trace import Call, Trace

# Beyond this no rounding explains it, in bfloat16 either.
_MATCH = 0.05


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """Where a layer has norms. Each stands where it is named, or is None.

    The layer is  s = stream(x + attention_out(attention)),  h = s + ffn_out(FF(ffn_in(s))),
    output = last(h). Llama and GPT-2 have `ffn_in`, Gemma 2 and 3 that and both "out", OLMo 2 both
    "out" alone, BERT and the smallest OPT `stream` and `last`. (A norm before attention is part of
    the function f of one token that attention mixes.)

    Attributes:
        projection: the linear module that mixes heads.
        attended: [T, hidden_size], what entered the feed-forward block, s, as the model had it.
    """

    attention_out: Norm | None
    stream: Norm | None
    ffn_in: Norm | None
    ffn_out: Norm | None
    last: Norm | None
    projection: nn.Module
    attended: Tensor

    @property
    def scopes(self) -> tuple[str, ...]:
        """Stages of the map, in the order in which the model computes; each holds those before."""
        inner = [
            "attention",
            *(["pre_norm"] if self.ffn_in else []),
            "ff",
            *(["post_norm"] if self.ffn_out else []),
            "residual",
        ]
        return (*inner, *(["last_norm"] if self.last else []))

    @property
    def norms(self) -> tuple[str, ...]:
        """Names of those there are."""
        names = ("attention_out", "stream", "ffn_in", "ffn_out", "last")
        return tuple(name for name in names if getattr(self, name))


def find_layout(trace: Trace) -> Layout:
    """The layout that explains the layer's tensors.

    Raises:
        ModelError: none does; names the first tensor that is not what any layout would have there.
    """
    where = f"layer {trace.layer}"
    inside = [call for call in trace.calls if call.path.startswith(f"{trace.attention}.")]
    size = trace.input.shape[-1]
    projections = [call for call in inside if call.output.shape[-1] == size]
    if not projections:
        raise ModelError(f"{where}: {trace.attention} has no linear module that mixes its heads")
    projection = projections[-1]
    begin, down = trace.calls.index(projection), _down(trace)
    norms = [call for call in trace.calls if _may_be_norm(call, trace)]
    between = [call for call in norms if begin < trace.calls.index(call) < down]
    after = [call for call in norms if trace.calls.index(call) > down]
    found: dict[str, Call] = {}
    attended = projection.output
    if between and _nearer(attended, trace.input + attended, between[0].input):
        found["attention_out"] = between.pop(0)
        attended = found["attention_out"].output
    summed = trace.input + attended
    stream, fed = summed, summed
    if between:
        norm = between.pop(0)
        if not _same(norm.input, summed):
            raise ModelError(
                f"{where}: {norm.path} does not read the layer's input plus attention's output "
                f"(off by {relative_error(norm.input, summed):.2g}), so what flows where is not "
                "known. Layers whose attention and feed-forward network stand side by side, or "
                "that scale their residual, are not supported"
            )
        found["ffn_in"], fed = norm, norm.output
    first = trace.calls[_first_of_ffn(trace, begin, down)]
    if between or not _same(first.input, fed):
        odd = between[0].path if between else first.path
        raise ModelError(
            f"{where}: {odd} does not read what attention made of the residual stream. Layers "
            "whose attention and feed-forward network stand side by side are not supported"
        )
    out = trace.calls[down].output
    if after and all(_nearer(out, base + out, after[0].input) for base in (stream, fed)):
        found["ffn_out"] = after.pop(0)
        out = found["ffn_out"].output
    end = after[0].input if after else trace.output
    if "ffn_in" in found and _nearer(fed + out, stream + out, end):
        found["stream"], stream = found.pop("ffn_in"), fed
    if after:
        found["last"] = after.pop(0)
    off = max(
        relative_error(stream + out, end),
        relative_error(found["last"].output, trace.output) if "last" in found else 0.0,
    )
    if after or not off <= _MATCH:
        raise ModelError(
            f"{where}: its output is not the residual stream plus the feed-forward network's "
            f"(off by {off:.2g} of its length); contextualize knows pre-norm, post-norm and "
            "sandwich layers without scaled residuals"
        )
    norms_of = {
        name: applied_norm(call.module, call.input, call.output, f"{where}, {call.path}")
        for name, call in found.items()
    }
    names = ("attention_out", "stream", "ffn_in", "ffn_out", "last")
    return Layout(
        **{name: norms_of.get(name) for name in names},
        projection=projection.module,
        attended=stream,
    )


def _down(trace: Trace) -> int:
    at = [n for n, call in enumerate(trace.calls) if call.module is trace.ffn.down]
    if not at:
        raise ModelError(f"layer {trace.layer}: {trace.ffn.path} was not called")
    return at[0]


def _first_of_ffn(trace: Trace, begin: int, down: int) -> int:
    between = range(begin + 1, down)
    wide = trace.ffn.intermediate_size
    for n in between:
        call = trace.calls[n]
        if call.output.shape[-1] in (wide, 2 * wide) and not _may_be_norm(call, trace):
            return n
    raise ModelError(
        f"layer {trace.layer}: no linear module gives the {wide} neurons of {trace.ffn.path}"
    )


def _may_be_norm(call: Call, trace: Trace) -> bool:
    """Outside attention and the feed-forward module, and as wide as the residual stream."""
    below = trace.ffn.path.rpartition(".")[0]
    if call.path.startswith((f"{trace.attention}.", *([f"{below}."] if below else []))):
        return False
    wide = (trace.input.shape[-1],) * 2
    linear = hasattr(call.module, "in_features") or type(call.module).__name__ == "Conv1D"
    return not linear and (call.input.shape[-1], call.output.shape[-1]) == wide


def _same(found: Tensor, real: Tensor) -> bool:
    return relative_error(found, real) <= _MATCH


def _nearer(one: Tensor, other: Tensor, real: Tensor) -> bool:
    return relative_error(one, real) < relative_error(other, real)
