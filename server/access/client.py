"""Whom a request is counted for."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from ipaddress import IPv6Address, ip_address

from server.access.document import Limits

# What a provider gives to one customer: a limit of single addresses would limit nobody.
_IPV6_PREFIX = 64


@dataclass(frozen=True, kw_only=True)
class Client:
    """An entry of the file, or, where the file has no keys, an address.

    Attributes:
        name: what it is counted under; an entry and an address never have the same.
        admin: whether it may operate the server.
        limits: what holds for it.
    """

    name: str
    admin: bool
    limits: Limits

    @classmethod
    def at(cls, host: str, limits: Limits) -> Client:
        """Whoever calls from an address; "" where the server knows none, as on a Unix socket."""
        return cls(name=f"address/{_network(host)}", admin=False, limits=limits)


@lru_cache(maxsize=4096)
def _network(host: str) -> str:
    try:
        address = ip_address(host.partition("%")[0])
    except ValueError:
        return host
    if not isinstance(address, IPv6Address):
        return str(address)
    if address.ipv4_mapped:
        return str(address.ipv4_mapped)
    kept = int(address) >> (128 - _IPV6_PREFIX) << (128 - _IPV6_PREFIX)
    return f"{IPv6Address(kept)}/{_IPV6_PREFIX}"
