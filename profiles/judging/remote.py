"""A running `langsteer serve` as the writer of outputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cached_property
from typing import Any

import httpx

from profiles.errors import LangsteerError, ProfileError
from profiles.judging.condition import Row, SkippedError
from profiles.judging.method import Method
from profiles.judging.writer import Output, Sampling, Show, nothing
from profiles.profile import Profile

_AT_ONCE = 32
_TIMEOUT = httpx.Timeout(600.0, connect=10.0)


class Remote:
    """Asks a server. It is reached once at the start, so that a wrong address costs no time.

    Args:
        url: its base address, with or without /v1.
        api_key: sent as a bearer token.
        transport: for tests.

    Attributes:
        model: what it calls the model it serves.
        tokenizer: the model's, where it is at hand; None asks the server.

    Raises:
        LangsteerError: nothing answers, or something other than `langsteer serve`.
    """

    def __init__(
        self, url: str, api_key: str | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        self._url = url.rstrip("/").removesuffix("/v1")
        headers = {"Authorization": f"Bearer {api_key}"} if api_key else {}
        try:
            self._client = httpx.Client(
                base_url=self._url, headers=headers, timeout=_TIMEOUT, transport=transport
            )
            models = self._get("/v1/models")
        except httpx.InvalidURL as error:
            raise LangsteerError(f"{url!r} is not an address: {error}") from error
        self.model = str(models["data"][0]["id"])
        found = self._get("/v1/steering/profiles")
        self._profiles: dict[str, dict[str, Any]] = {p["language"]: p for p in found["data"]}
        self.tokenizer: Any = None

    @property
    def has_chat(self) -> bool:
        """The server knows; a model without a template answers with an error."""
        return True

    def offered(self, local: Mapping[str, Profile]) -> dict[str, str]:
        """Version of each profile on offer, by language.

        Args:
            local: profiles the server is expected to serve; empty for whatever it does.

        Raises:
            ProfileError: it serves another version of one of them, or none.
        """
        for tag, profile in local.items():
            served = self._profiles.get(tag, {}).get("version")
            if served != profile.version:
                raise ProfileError(
                    f"{self._url} serves {f'{tag}@{served}' if served else f'no profile of {tag}'},"
                    f" the folder holds {tag}@{profile.version}; start or reload the server with it"
                )
        return {tag: str(p["version"]) for tag, p in self._profiles.items()}

    def roles(self, tag: str) -> Sequence[str]:
        """Which of target and suppress the profile of a language can do."""
        return [*self._profiles.get(tag, {}).get("edits", {})]

    def write(
        self, rows: Sequence[Row], method: Method, sampling: Sampling, show: Show
    ) -> list[Output]:
        """One output a row; at most 32 requests at once."""
        if method.apply:
            raise SkippedError("it changes the model itself, which a server does not offer")
        # vLLM refuses an empty text: BOS alone goes as its token.
        if not all(row.prompt or row.messages for row in rows) and not self._nothing:
            who = "the server's /tokenize" if self.tokenizer is None else "MODEL's tokenizer"
            raise SkippedError(
                f"vLLM takes no empty prompt, and {who} names no token that text begins with"
            )
        bodies = [self._body(row, method, sampling, n) for n, row in enumerate(rows)]
        with ThreadPoolExecutor(min(sampling.batch, _AT_ONCE)) as pool:
            out = []
            for row, answer in zip(rows, pool.map(self._ask, bodies), strict=True):
                out.append(Output(text=row.cut(answer)))
                show(len(out), len(rows))
            return out

    def _body(
        self, row: Row, method: Method, sampling: Sampling, number: int
    ) -> tuple[str, dict[str, Any]]:
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": sampling.tokens,
            "temperature": sampling.temperature,
            "seed": sampling.seed + number,
            # The model's own defaults may filter; unlike offline outputs these would be filtered.
            "top_p": 1.0,
            "top_k": 0,
        }
        if method.steering:
            body["steering"] = dict(method.steering)
        if not row.messages:
            return "/v1/completions", body | {"prompt": row.prompt or self._nothing}
        messages = [{"role": role, "content": content} for role, content in row.messages]
        return "/v1/chat/completions", body | {"messages": messages}

    @cached_property
    def _nothing(self) -> list[int]:
        """The prompt that is BOS alone, as token ids; empty where nobody knows it."""
        if self.tokenizer is not None:
            return nothing(self.tokenizer)
        body = {"model": self.model, "prompt": "", "add_special_tokens": True}
        answer = self._send("POST", "/tokenize", body)
        if answer.status_code in (400, 404, 405, 501):
            return []
        found = self._checked(answer).get("tokens")
        return [*map(int, found)] if isinstance(found, list) else []

    def _ask(self, request: tuple[str, dict[str, Any]]) -> str:
        path, body = request
        answer = self._send("POST", path, body)
        if answer.status_code == 400 and "steering" not in body:
            raise SkippedError(f"the server refuses: {_message(answer)}")
        choice = self._checked(answer)["choices"][0]
        text = choice["message"]["content"] if "message" in choice else choice["text"]
        return str(text or "")

    def _get(self, path: str) -> dict[str, Any]:
        return self._checked(self._send("GET", path, None))

    def _send(self, verb: str, path: str, body: Any) -> httpx.Response:
        try:
            return self._client.request(verb, path, json=body)
        except httpx.TimeoutException as error:
            raise LangsteerError(f"{self._url}{path} did not answer in time") from error
        except httpx.UnsupportedProtocol as error:
            raise LangsteerError(
                f"{self._url} is no address: it begins with http:// or https://"
            ) from error
        except httpx.TransportError as error:
            raise LangsteerError(
                f"no server at {self._url} ({error}); start one with "
                "`langsteer serve MODEL --profiles DIR`"
            ) from error

    def _checked(self, answer: httpx.Response) -> dict[str, Any]:
        where = f"{self._url}{answer.request.url.path}"
        if answer.status_code in (401, 403):
            raise LangsteerError(f"{where} wants another API key; give it with --api-key")
        if answer.status_code == 404 and "/steering/" in where:
            raise LangsteerError(
                f"{where} does not exist: that server is not `langsteer serve MODEL --profiles DIR`"
            )
        if answer.is_error:
            raise LangsteerError(f"{where} answered {answer.status_code}: {_message(answer)}")
        try:
            found = answer.json()
        except ValueError as error:
            raise LangsteerError(f"{where} answered something other than JSON") from error
        if not isinstance(found, dict):
            raise LangsteerError(f"{where} answered something other than a JSON object")
        return found


def _message(answer: httpx.Response) -> str:
    try:
        found = answer.json()
        return str(found["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return answer.text.strip()[:200] or answer.reason_phrase
