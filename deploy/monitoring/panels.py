"""What the Grafana dashboard shows, row by row. Some figures are recorded by rules.yaml."""

from __future__ import annotations

from dataclasses import dataclass

_OF = 'job=~"$job", instance=~"$instance"'
_RATE = "$__rate_interval"


@dataclass(frozen=True, kw_only=True)
class Graph:
    """A panel: queries over time.

    Attributes:
        title: what it shows.
        says: how to read it.
        queries: (PromQL, legend).
        unit: of Grafana's.
        stacked: whether the series add up.
    """

    title: str
    says: str
    queries: tuple[tuple[str, str], ...]
    unit: str = "reqps"
    stacked: bool = False


def _rates(by: str, metric: str, where: str = "") -> str:
    """How often a counter is counted, a second, by labels."""
    return f"sum by ({by}) (rate({metric}{{{_OF}{where}}}[{_RATE}]))"


def _shown(by: str, metric: str, where: str = "") -> tuple[tuple[str, str]]:
    """One query, whose legend is the one label that it is by."""
    return ((_rates(by, metric, where), f"{{{{{by}}}}}"),)


def _hourly(metric: str, where: str = "") -> str:
    return f"sum(increase({metric}{{{_OF}{where}}}[1h]))"


_ANSWER = ', part="answer"'
_INVALID = ', result="invalid"'
_SLIPPED = _rates("wanted, found", "langsteer_answers_total", f'{_ANSWER}, verdict=~"mixed|miss"')
_ADDED = _rates("le", "langsteer_added_latency_seconds_bucket")
ROWS: tuple[tuple[str, tuple[Graph, ...]], ...] = (
    (
        "Language",
        (
            Graph(
                title="Answers in the wrong language",
                says="Of the answers that were identified, the share that is mostly in another "
                "language than wanted, by the policy's rule; over fifteen minutes.",
                unit="percentunit",
                queries=(
                    (
                        'langsteer:answers_missed:ratio_rate15m{job=~"$job"}',
                        "{{policy}} {{wanted}}",
                    ),
                ),
            ),
            Graph(
                title="Language really answered",
                says="What answers were identified as; und where it cannot be told.",
                queries=_shown("found", "langsteer_answers_total", _ANSWER),
                stacked=True,
            ),
            Graph(
                title="Wanted → found, where they differ",
                says="What answers slip into; the ten most frequent.",
                queries=((f"topk(10, {_SLIPPED})", "{{wanted}} → {{found}}"),),
            ),
            Graph(
                title="Verdicts",
                says="hit: in the language wanted; mixed: over a tenth is not; miss: over half is "
                "not; unknown: too short to tell; none: nothing was promised.",
                queries=_shown("verdict", "langsteer_answers_total", _ANSWER),
                stacked=True,
            ),
            Graph(
                title="Streams that left their language",
                says="Counted while they run; what was streamed cannot be taken back.",
                queries=_shown("wanted", "langsteer_monitor_stream_slips_total"),
            ),
            Graph(
                title="Asked again",
                says="Under enforce: requests by how often the model was asked, and by verdict.",
                queries=(
                    (
                        _rates("attempts, verdict", "langsteer_enforced_requests_total"),
                        "{{attempts}} × {{verdict}}",
                    ),
                ),
                stacked=True,
            ),
        ),
    ),
    (
        "Traffic",
        (
            Graph(
                title="Steered requests by target",
                says="Empty: only suppressed.",
                queries=_shown("target", "langsteer_requests_total"),
                stacked=True,
            ),
            Graph(
                title="Suppressed languages",
                says="several: more than one.",
                queries=_shown("suppress", "langsteer_requests_total", ', suppress!=""'),
                stacked=True,
            ),
            Graph(
                title="Strengths",
                says="By bucket.",
                queries=_shown("strength", "langsteer_requests_total"),
                stacked=True,
            ),
            Graph(
                title="How steered requests ended",
                says="cancelled: the client left.",
                queries=_shown("outcome", "langsteer_requests_total"),
                stacked=True,
            ),
            Graph(
                title="Rules that were met",
                says="Under a policy: requests by rule and what came of it.",
                queries=(
                    (
                        _rates("policy, result", "langsteer_policy_requests_total"),
                        "{{policy}}: {{result}}",
                    ),
                ),
                stacked=True,
            ),
            Graph(
                title="Refused",
                says="Requests that were answered with an error of langsteer's own, by reason.",
                queries=_shown("reason", "langsteer_requests_refused_total"),
                stacked=True,
            ),
        ),
    ),
    (
        "Engine",
        (
            Graph(
                title="Latency added before vLLM",
                says="From a request's last byte to its being handed to vLLM.",
                unit="s",
                queries=(
                    (f"histogram_quantile(0.5, {_ADDED})", "median"),
                    (f"histogram_quantile(0.99, {_ADDED})", "99%"),
                ),
            ),
            Graph(
                title="Rows in use",
                says="Combinations of profiles and strengths that requests in flight hold.",
                unit="short",
                queries=((f"langsteer_rows_in_use{{{_OF}}}", "{{instance}}"),),
            ),
            Graph(
                title="Profiles on offer",
                says="By server; they should agree.",
                unit="short",
                queries=((f"langsteer_profiles_loaded{{{_OF}}}", "{{instance}}"),),
            ),
            Graph(
                title="Tokens computed with an edit",
                says="Of prompts and answers, a second.",
                unit="short",
                queries=_shown("instance", "langsteer_edited_tokens_total"),
            ),
            Graph(
                title="Requests in vLLM",
                says="vLLM's own figures: running and waiting.",
                unit="short",
                queries=(
                    (f"sum(vllm:num_requests_running{{{_OF}}})", "running"),
                    (f"sum(vllm:num_requests_waiting{{{_OF}}})", "waiting"),
                ),
            ),
            Graph(
                title="What should be flat",
                says="Files that were not taken, figures the engine did not give in time, answers "
                "that were not judged, lines that were not logged; by the hour.",
                unit="short",
                queries=(
                    (_hourly("langsteer_policy_reloads_total", _INVALID), "policy files"),
                    (_hourly("langsteer_access_reloads_total", _INVALID), "access files"),
                    (_hourly("langsteer_engine_facts_missed_total"), "engine's figures"),
                    (_hourly("langsteer_monitor_dropped_total"), "answers"),
                    (_hourly("langsteer_request_log_dropped_total"), "lines"),
                ),
            ),
        ),
    ),
)
