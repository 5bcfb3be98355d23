"""Offline: find language neurons, store them as steering profiles, judge the result."""
