"""Combinations of edits as requests have them."""

from __future__ import annotations

from steering.request import Combination, SteeringRequest


def combined(target: str, *away: str) -> Combination:
    """Towards `target`, "" for none, and away from the others, all as strongly."""
    return SteeringRequest(target=target or None, suppress=away).combination
