"""The request that proves a profile."""

from __future__ import annotations

from profiles.profile import Profile
from steering.request import SteeringRequest


def probe(profile: Profile, strongest: float) -> SteeringRequest:
    """A request whose effect proves that the profile reaches the model.

    Args:
        profile: with an edit for either role.
        strongest: the largest strength that requests may ask for.
    """
    strength = min(1.0, strongest)
    if profile.target is not None:
        return SteeringRequest(target=profile.content_hash, strength=strength)
    return SteeringRequest(suppress=(profile.content_hash,), strength=strength)
