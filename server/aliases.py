"""Names that mean a model and the language it answers in, such as `demo:de`."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from typing import Any

from server.catalog import Catalog, Entry
from server.errors import PolicyError
from server.routes import STEERABLE
from server.shown import shown
from server.wish import FIELD, Wish
from steering.request import MAX_STRENGTH

# Where clients count what they are about to send, under the name they will send it with.
_COUNTING = frozenset({"/tokenize", "/detokenize", "/v1/messages/count_tokens"})


class Aliases:
    """For clients that can choose nothing but a model: NAME:TAG is NAME, steered towards TAG.

    A name that vLLM serves itself is no alias, whatever it holds; nor is one of a model that is
    not served, which vLLM answers with its own 404.

    Args:
        models: gives the names that the model is served by; each has aliases.
        adapters: gives the names of its adapters now, which have none.
    """

    def __init__(
        self, models: Callable[[], Collection[str]], adapters: Callable[[], Collection[str]]
    ) -> None:
        self._models = models
        self._adapters = adapters

    def read(self, fields: Any, path: str, catalog: Catalog) -> Any:
        """The body as a client would write it that can say more than a model.

        Args:
            fields: the parsed body.
            path: its route, without a root path.
            catalog: the profiles on offer.

        Returns:
            The model's own name in `model`, the language in `steering.target` (where tokens are
            counted, nowhere). `fields` itself where `model` is no alias.

        Raises:
            PolicyError: no profile is of the language, `steering` names another target, or requests
                to this route cannot be steered.
        """
        alias = fields.get("model") if isinstance(fields, Mapping) else None
        found = self._parts(alias)
        if found is None:
            return fields
        model, tag = found
        if path not in STEERABLE | _COUNTING:
            raise PolicyError(
                f"model {shown(alias)} asks for steering, and requests to {shown(path)} cannot be "
                f"steered: send {shown(model)}; these can: {', '.join(sorted(STEERABLE))}",
                param="model",
                reason="unsupported_path",
            )
        try:
            target = _target(tag, catalog)
        except PolicyError as error:
            raise PolicyError(
                f"model {shown(alias)} means {shown(model)} with steering, but {error}",
                param="model",
                reason=error.reason,
            ) from error
        plain = {**fields, "model": model}
        wish = fields.get(FIELD)
        # One that is no object is an error, which others find.
        if path in _COUNTING or not isinstance(wish, Mapping | None):
            return plain
        given = wish.get("target") if wish else None
        if given is not None and (other := _target(given, catalog)) is not target:
            raise PolicyError(
                f"model {shown(alias)} means profile {target.label}, {FIELD}.target means "
                f"{other.label}; send one of them, or the same",
                param="model",
                reason="conflict",
            )
        return {**plain, FIELD: {**(wish or {}), "target": tag if given is None else given}}

    def of(self, entry: Entry) -> list[str]:
        """Every model's name that means a profile."""
        return [name for model in self._models() if (name := self._name(model, entry))]

    def cards(self, listed: Sequence[Mapping[str, Any]], catalog: Catalog) -> list[dict[str, Any]]:
        """An entry for every alias, in the form of the model's own.

        Args:
            listed: the entries of `GET /v1/models`, as vLLM makes them.
            catalog: the profiles on offer.
        """
        models = self._models()
        return [
            {**card, "id": alias, "parent": card["id"]}
            for card in listed
            if card["id"] in models
            for entry in catalog
            if (alias := self._name(card["id"], entry))
        ]

    def _name(self, model: str, entry: Entry) -> str | None:
        """A model's name that means a profile; None where there is none."""
        alias = f"{model}:{entry.name}"
        return alias if entry.has("target") and self._parts(alias) else None

    def _parts(self, alias: Any) -> tuple[str, str] | None:
        """(model, language tag), or None where it is no alias."""
        if not isinstance(alias, str) or alias in self._models() or alias in self._adapters():
            return None
        model, colon, tag = alias.rpartition(":")  # a model's name may have colons, a tag has none
        return (model, tag) if colon and model in self._models() else None


def _target(tag: Any, catalog: Catalog) -> Entry:
    """The profile that `steering.target` means, or its error."""
    entry = Wish({"target": tag}, (), catalog, MAX_STRENGTH).target()
    assert entry is not None  # a tag was given
    return entry
