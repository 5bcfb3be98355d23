"""What the server's own histogram says of the latency that langsteer adds."""

from __future__ import annotations

from prometheus_client.parser import text_string_to_metric_families

NAME = "langsteer_added_latency_seconds"


class AddedLatency:
    """Reads the histogram of each start of the server, and adds them up."""

    def __init__(self) -> None:
        # start -> upper bound -> requests up to it
        self._buckets: dict[int, dict[float, float]] = {}

    def read(self, start: int, metrics: str) -> None:
        """Take over what a start's /metrics says now."""
        found = {
            float(sample.labels["le"]): sample.value
            for family in text_string_to_metric_families(metrics)
            if family.name == NAME
            for sample in family.samples
            if sample.name == f"{NAME}_bucket"
        }
        if found:
            self._buckets[start] = found

    def account(self) -> dict[str, float | None]:
        """How many requests it has, the buckets in which quantiles lie, the share within 2 ms."""
        bounds = sorted({bound for start in self._buckets.values() for bound in start})
        counts = [
            sum(start.get(bound, 0.0) for start in self._buckets.values()) for bound in bounds
        ]
        total = counts[-1] if counts else 0.0
        account: dict[str, float | None] = {"requests": total}
        for quantile in (0.5, 0.99, 0.999):
            reached = (
                b for b, count in zip(bounds, counts, strict=True) if count >= quantile * total
            )
            account[f"p{100 * quantile:g}_at_most_ms"] = 1000 * next(reached) if total else None
        within = dict(zip(bounds, counts, strict=True)).get(0.002)
        account["share_within_2_ms"] = within / total if total and within is not None else None
        return account
