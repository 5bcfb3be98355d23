"""Find the strength at which an edit steers best for what it costs, on held-out text."""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from profiles.judging.identify import primary
from profiles.judging.judge import Verdict, judge
from profiles.judging.likelihood import bits_of
from profiles.learning.frontier import Frontier, Point, choose, rescaled
from profiles.learning.prefixes import Example, Lines, Role, sample
from profiles.models.chat import chat_turn
from profiles.models.generate import generate
from profiles.models.hooks import edited
from profiles.models.model import LoadedModel
from profiles.profile import Edit


@dataclass(frozen=True, kw_only=True)
class Calibration:
    """How to calibrate.

    Attributes:
        strengths: tried with the whole prompt edited, by role, ascending. Those towards a
            language end where fluency has long gone; factors on neurons bear more.
        decode_strengths: tried with the answer alone edited, in units of the recommended.
        samples: outputs a strength, after the kinds of context learning draws.
        tokens: length of an output.
        temperature: of plain sampling.
        texts: held-out lines whose perplexity is measured.
        seed: of contexts and samples.
    """

    strengths: Mapping[Role, tuple[float, ...]] = field(
        default_factory=lambda: {
            "target": (0.45, 0.6, 0.75, 0.9, 1.1, 1.4),
            "suppress": (0.8, 1.1, 1.4, 1.7, 2.0, 2.4),
        }
    )
    decode_strengths: tuple[float, ...] = (1.0, 1.4)
    samples: int = 24
    tokens: int = 28
    temperature: float = 0.8
    texts: int = 20
    seed: int = 0


@dataclass(frozen=True, kw_only=True, eq=False)
class Calibrated:
    """An edit whose strength 1.0 is the recommended point, and the points it was chosen from."""

    edit: Edit
    frontier: Frontier


def calibrate(
    loaded: LoadedModel,
    edit: Edit,
    held: Lines,
    language: str,
    role: Role = "target",
    options: Calibration | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
    down_projection: str | None = None,
) -> Calibrated:
    """Try strengths, and scale `edit` so that 1.0 is the best of them.

    Args:
        loaded: the model.
        edit: towards `language`, or away from it.
        held: text by language that the edit was not learned from.
        language: one of them.
        role: "target" or "suppress".
        options: see `Calibration`.
        progress: called with (tokens done, tokens).
        down_projection: see `find_ffns`.
    """
    options = options or Calibration()
    trial = _Trial(loaded, held, language, role, options, down_projection)
    strengths = options.strengths[role]
    runs = len(strengths) + len(options.decode_strengths)

    def show(done: int, before: int, share: int) -> None:
        if progress:
            progress(before * options.tokens + done * share, runs * options.tokens)

    count = len(strengths)
    points = trial.points(edit, strengths, "all", lambda n: show(n, 0, count))
    chosen = choose(points, role)
    unit = points[chosen].strength
    late = [unit * strength for strength in options.decode_strengths]
    if late:
        points += trial.points(edit, late, "decode", lambda n: show(n, count, len(late)))
    return Calibrated(edit=edit.times(unit), frontier=rescaled(points, chosen))


class _Trial:
    def __init__(
        self,
        loaded: LoadedModel,
        held: Lines,
        language: str,
        role: Role,
        options: Calibration,
        down_projection: str | None,
    ) -> None:
        self._loaded, self._language, self._role = loaded, language, role
        self._options, self._down = options, down_projection
        self._among = [*held]
        rng = random.Random(options.seed)
        turn = chat_turn(loaded.tokenizer)
        drawn: list[Example] = []
        while len(drawn) < options.samples:
            # "same" keeps other languages as they are: there is nothing to leave.
            found = sample(held, language, role, options.samples, rng, turn)
            drawn += [e for e in found if e.kind != "same"]
        self._contexts = drawn[: options.samples]
        others = [name for name in held if name != language]
        sources = [language] if role == "target" else others
        lines = [
            held[name][n] for n in range(options.texts) for name in sources if n < len(held[name])
        ]
        lines = lines[: options.texts]
        self._texts = [loaded.tokenizer(t, add_special_tokens=False).input_ids for t in lines]
        self._natural = bits_of(loaded, self._texts)
        self._bytes = sum(len(line.encode()) for line in lines)

    def points(
        self, edit: Edit, strengths: Sequence[float], phase: str, show: Callable[[int], None]
    ) -> list[Point]:
        """One point a strength; all strengths share the batches, a row each."""
        rows = [(strength, e) for strength in strengths for e in self._contexts]
        prompts = [e.prefix for _, e in rows]
        first = [self._last(prompt) if phase == "decode" else 0 for prompt in prompts]
        with edited(
            self._loaded.model,
            edit,
            [strength for strength, _ in rows],
            first if any(first) else 0,
            down_projection=self._down,
        ):
            out = generate(
                self._loaded,
                prompts,
                tokens=self._options.tokens,
                temperature=self._options.temperature,
                seed=self._options.seed,
                progress=lambda done, _total: show(done),
            )
        verdicts = judge(self._loaded, out, self._among)
        size = len(self._contexts)
        return [
            self._point(strength, phase, verdicts[n * size : (n + 1) * size], edit)
            for n, strength in enumerate(strengths)
        ]

    def _last(self, prompt: str) -> int:
        return max(0, len(self._loaded.tokenizer(prompt).input_ids) - 1)

    def _point(self, strength: float, phase: str, verdicts: Sequence[Verdict], edit: Edit) -> Point:
        rates: dict[str, list[bool]] = defaultdict(list)
        for example, verdict in zip(self._contexts, verdicts, strict=True):
            rates[example.kind].append(self._good(verdict))
        count = len(verdicts)
        return Point(
            strength=strength,
            phase=phase,
            success=sum(map(sum, rates.values())) / count,
            by_context={kind: sum(good) / len(good) for kind, good in sorted(rates.items())},
            repetition=sum(v.repetitive for v in verdicts) / count,
            bits_per_byte=self._bits_per_byte(verdicts),
            perplexity=self._perplexity(edit, strength),
            samples=count,
        )

    def _good(self, verdict: Verdict) -> bool:
        if self._role == "target":
            return verdict.success(self._language)
        # Identifiers know no regions: pt-BR is left where pt is.
        return verdict.language != primary(self._language) and not verdict.repetitive

    def _bits_per_byte(self, verdicts: Sequence[Verdict]) -> float | None:
        size = sum(v.bytes for v in verdicts)
        if not size or self._role == "suppress":
            return None
        bits = sum(v.bits or 0.0 for v in verdicts)
        return round(bits / size / (sum(self._natural) / self._bytes), 4)

    def _perplexity(self, edit: Edit, strength: float) -> float:
        with edited(self._loaded.model, edit, strength, down_projection=self._down):
            bits = sum(bits_of(self._loaded, self._texts))
        tokens = sum(map(len, self._texts))
        return round(float(2 ** ((bits - sum(self._natural)) / tokens)), 4)
