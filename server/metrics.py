"""Prometheus metrics, on the registry that vLLM's /metrics exposes."""

from __future__ import annotations

from typing import Literal, get_args

from prometheus_client import REGISTRY, CollectorRegistry, Counter, Gauge, Histogram

from server.control import EngineFacts
from server.errors import Reason
from server.exchange import Outcome
from server.monitor.reader import Part
from server.monitor.verdict import Verdict
from server.policy.ruling import Result

# Why the monitor left an answer out: its line was full, it was too large, it could not be read.
Unwatched = Literal["full", "large", "unread"]
# Seconds; the aim is that 99% are within 2 ms.
_LATENCIES = (0.0001, 0.0002, 0.0005, 0.001, 0.002, 0.005, 0.01, 0.05, 0.25, 1)


class Metrics:
    """langsteer's counters and gauges.

    In a process with PROMETHEUS_MULTIPROC_DIR set, prometheus-client keeps the values in files
    that vLLM's /metrics collects; a gauge then shows the process that wrote last.

    Args:
        registry: where they are registered; each registry takes them once.
    """

    def __init__(self, registry: CollectorRegistry = REGISTRY) -> None:
        self._requests = Counter(
            "langsteer_requests",
            "Steered requests by target and suppressed profile, strength bucket, phase, outcome.",
            ("target", "suppress", "strength", "phase", "outcome"),
            registry=registry,
        )
        self._refused = Counter(
            "langsteer_requests_refused",
            "Requests refused with an error of langsteer's own, by reason.",
            ("reason",),
            registry=registry,
        )
        self._edited = Counter(
            "langsteer_edited_tokens",
            "Tokens, of prompts and answers, that the engine computed with an edit.",
            registry=registry,
        )
        self._rows = Gauge(
            "langsteer_rows_in_use",
            "Combinations of profiles that requests in flight hold in the engine.",
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self._profiles = Gauge(
            "langsteer_profiles_loaded",
            "Profiles that requests can name.",
            registry=registry,
            multiprocess_mode="livemostrecent",
        )
        self._stale = Counter(
            "langsteer_engine_facts_missed",
            "Times the engine did not give its figures in time; its metrics were then stale.",
            registry=registry,
        )
        self._ruled = Counter(
            "langsteer_policy_requests",
            "Requests that met a rule of the policy, by its name and what came of it.",
            ("policy", "result"),
            registry=registry,
        )
        self._policies = Counter(
            "langsteer_policy_reloads",
            "Times the policy file was read again, by whether it could be used.",
            ("result",),
            registry=registry,
        )
        self._accesses = Counter(
            "langsteer_access_reloads",
            "Times the access file was read again, by whether it could be used.",
            ("result",),
            registry=registry,
        )
        self._answers = Counter(
            "langsteer_answers",
            "Answers the monitor judged, by the language wanted, the one found, the verdict, the "
            "rule of the policy, and the part: answer or reasoning.",
            ("wanted", "found", "verdict", "policy", "part"),
            registry=registry,
        )
        self._enforced = Counter(
            "langsteer_enforced_requests",
            "Requests whose answer was held back and judged, by the rule of the policy, the "
            "verdict on what was served, and how often it was asked.",
            ("policy", "verdict", "attempts"),
            registry=registry,
        )
        self._slips = Counter(
            "langsteer_monitor_stream_slips",
            "Streams that left the language wanted while they ran, each once.",
            ("wanted", "policy"),
            registry=registry,
        )
        self._unwatched = Counter(
            "langsteer_monitor_dropped",
            "Answers the monitor did not judge, by reason.",
            ("reason",),
            registry=registry,
        )
        self._added = Histogram(
            "langsteer_added_latency_seconds",
            "From the last byte of a request that may make text to its being handed to vLLM.",
            buckets=_LATENCIES,
            registry=registry,
        )
        self._unlogged = Counter(
            "langsteer_request_log_dropped",
            "Requests that the request log had no room for, as its file was too slow.",
            registry=registry,
        )
        self._seen_tokens = 0
        # A counter that is not there until it is 1 has, for Prometheus, never risen.
        for result in ("ok", "invalid"):
            self._policies.labels(result)
            self._accesses.labels(result)
        for unwatched in get_args(Unwatched):
            self._unwatched.labels(unwatched)
        for reason in get_args(Reason):
            self._refused.labels(reason)

    def finished(self, labels: dict[str, str], outcome: Outcome) -> None:
        """Count a steered request that came to its end."""
        self._requests.labels(outcome=outcome, **labels).inc()

    def refused(self, reason: Reason) -> None:
        """Count a request that was answered with an error of ours."""
        self._refused.labels(reason=reason).inc()

    def ruled(self, rule: str, result: Result) -> None:
        """Count a request that a rule was applied to; "" where it was refused before one was."""
        self._ruled.labels(policy=rule, result=result).inc()

    def answered(
        self, *, wanted: str, found: str, verdict: Verdict, policy: str, part: Part
    ) -> None:
        """Count an answer that was judged; languages by primary tag."""
        self._answers.labels(wanted, found, verdict, policy, part).inc()

    def enforced(self, policy: str, verdict: Verdict, attempts: int) -> None:
        """Count a request that may have been asked more than once."""
        self._enforced.labels(policy, verdict, str(attempts)).inc()

    def slipped(self, wanted: str, policy: str) -> None:
        """Count a stream that has left its language."""
        self._slips.labels(wanted, policy).inc()

    def unwatched(self, reason: Unwatched) -> None:
        """Count an answer that was not judged."""
        self._unwatched.labels(reason).inc()

    def handed_on(self, seconds: float) -> None:
        """Note how long a request was kept from vLLM."""
        self._added.observe(seconds)

    def unlogged(self) -> None:
        """Count a request that is missing in the request log."""
        self._unlogged.inc()

    def policy_reloaded(self, usable: bool) -> None:
        """Count a reading of the policy file while serving."""
        self._policies.labels(result="ok" if usable else "invalid").inc()

    def access_reloaded(self, usable: bool) -> None:
        """Count a reading of the access file while serving."""
        self._accesses.labels(result="ok" if usable else "invalid").inc()

    def profiles(self, loaded: int) -> None:
        """Note how many profiles are on offer."""
        self._profiles.set(loaded)

    def engine(self, facts: EngineFacts) -> None:
        """Take over the engine's own figures."""
        self._rows.set(facts.rows_in_use)
        # The engine counts from its start; a smaller number means that it was restarted.
        grown = facts.edited_tokens - self._seen_tokens
        self._edited.inc(grown if grown >= 0 else facts.edited_tokens)
        self._seen_tokens = facts.edited_tokens

    def missed(self) -> None:
        """Count a scrape that the engine did not answer in time."""
        self._stale.inc()
