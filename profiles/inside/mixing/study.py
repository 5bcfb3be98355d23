"""One text through a model, unsteered and perhaps steered: the whole account, and its maps."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

from profiles.errors import LangsteerError
from profiles.inside.mixing.account import SHOWN_TOKENS, disturbance, layer_facts, shown_maps
from profiles.inside.mixing.contextualize import contextualize
from profiles.inside.mixing.maps import LayerMaps
from profiles.inside.mixing.text import MixedText
from profiles.models.model import LoadedModel
from profiles.profile import Edit
from profiles.progress import Stage
from profiles.versions import versions

FORMAT = 2
_DRAWN = 3
# Fewer tokens' maps have too few entries for their order to mean much.
_FEW = 10


@dataclass(frozen=True, kw_only=True, eq=False)
class Steering:
    """An edit, and what is to be said of it.

    Attributes:
        edit: towards or away from a language.
        strength: factor on it.
        facts: for the account.
    """

    edit: Edit
    strength: float
    facts: dict[str, Any]


@dataclass(frozen=True, kw_only=True, eq=False)
class Study:
    """What `study` found.

    Attributes:
        facts: JSON-serialisable.
        unsteered, steered: maps by layer; `steered` is empty without an edit.
    """

    facts: dict[str, Any]
    unsteered: list[LayerMaps]
    steered: list[LayerMaps]


def study(
    loaded: LoadedModel,
    text: MixedText,
    steering: Steering | None,
    *,
    layers: Sequence[int] | None,
    pairs: int,
    memory_limit: int,
    down_projection: str | None,
    stage: Stage,
) -> Study:
    """Run the model once, or twice with an edit.

    Args:
        layers: to draw; None for those where the feed-forward block, or the edit, changes most.
        pairs: of tokens, listed a layer and direction.
        memory_limit, down_projection: see `contextualize`.

    Raises:
        LangsteerError: see `contextualize`; a layer to draw does not exist.
    """
    begun = time.monotonic()
    # Before the passes, which take long.
    count = loaded.identity.layers
    if missing := [n for n in layers or () if n not in range(count)]:
        raise LangsteerError(f"there is no layer {missing[0]}: the model has 0 to {count - 1}")
    passes: list[list[LayerMaps]] = []
    for title in ("unsteered", "steered")[: 2 if steering else 1]:
        with stage(f"splitting layers, {title}") as show:
            given = steering if title == "steered" else None
            passes.append(
                contextualize(
                    loaded,
                    text.ids,
                    edit=given.edit if given else None,
                    strength=given.strength if given else 1.0,
                    memory_limit=memory_limit,
                    progress=show,
                    down_projection=down_projection,
                )
            )
    unsteered, steered = passes[0], passes[1] if steering else []
    rows = [layer_facts(maps, text, pairs) for maps in unsteered]
    disturbed = [disturbance(*both, text) for both in zip(unsteered, steered, strict=False)]
    drawn = [*layers] if layers is not None else _telling(rows, disturbed)
    few = len(text.ids) <= SHOWN_TOKENS
    facts: dict[str, Any] = {
        "format": FORMAT,
        "model": asdict(loaded.identity),
        "dtype": str(loaded.model.dtype).removeprefix("torch."),
        "pieces": [{"language": tag, "text": piece} for tag, piece in text.pieces],
        "tokens": [*text.tokens],
        "languages": [*text.languages],
        "scopes": [*unsteered[0].scopes],
        "completeness": max(max(m.completeness.values()) for m in (*unsteered, *steered)),
        "layers": rows,
        "drawn": drawn,
        "maps": [shown_maps(unsteered[n]) for n in drawn] if few else [],
        "steered": None,
        "warnings": _warnings(len(text.ids)),
    }
    if steering:
        facts["steered"] = {
            **steering.facts,
            "strength": steering.strength,
            "layers": [layer_facts(maps, text, pairs) for maps in steered],
            "disturbance": disturbed,
            "maps": [shown_maps(steered[n]) for n in drawn] if few else [],
        }
    facts |= {"seconds": round(time.monotonic() - begun, 2), "versions": versions()}
    return Study(facts=facts, unsteered=unsteered, steered=steered)


def _warnings(tokens: int) -> list[str]:
    if tokens >= _FEW:
        return []
    says = (
        f"the text is {tokens} tokens long, so a map has {tokens * (tokens + 1) // 2} entries: "
        f"ratios and changes of so few say little; give {_FEW} tokens or more"
    )
    return [says]


def _telling(rows: Sequence[Any], disturbed: Sequence[Any]) -> list[int]:
    """The layers where most changes, in their order."""

    def much(n: int) -> float:
        found = disturbed[n]["change"] if disturbed else rows[n]["change_from_attention"]
        return float(found["residual"] or 0)

    return sorted(sorted(range(len(rows)), key=much, reverse=True)[:_DRAWN])
