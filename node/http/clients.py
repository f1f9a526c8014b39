"""Who asks, and how much of the node it may have: a rate for each address, and who is believed about addresses."""

import ipaddress
from collections.abc import Sequence
from typing import TypeAlias

from ledger.limits import HTTP_BURST_SECONDS_MAX, HTTP_CLIENTS_ENTRIES_MAX

Network: TypeAlias = ipaddress.IPv4Network | ipaddress.IPv6Network
_CHAIN_ENTRIES_MAX = 16


class Clients:
    """A client is an IPv4 address or an IPv6 /64, which one household or phone has. For each stands the time until
    which its requests so far are paid for; it may be `HTTP_BURST_SECONDS_MAX` ahead (the generic cell rate
    algorithm: one number a client)."""

    def __init__(self, requests_per_second: int, proxies: Sequence[Network]) -> None:
        self._cost = 1 / requests_per_second
        self._proxies = tuple(proxies)
        self._paid_until: dict[str, float] = {}

    def is_proxy(self, address: str) -> bool:
        parsed = _parsed(address)
        return parsed is not None and any(parsed in network for network in self._proxies)

    def client_of(self, peer: str, forwarded: bytes) -> str:
        """The address that counts: the last one of X-Forwarded-For that no configured proxy has, and only where the
        connection comes from such a proxy. What stands before it is the client's own word."""
        address = peer
        if self._proxies and self.is_proxy(peer):
            for named in reversed(forwarded.decode("latin-1").split(",")[-_CHAIN_ENTRIES_MAX:]):
                if _parsed(named.strip()) is None:
                    break
                address = named.strip()
                if not self.is_proxy(address):
                    break
        return group_of(address)

    def take(self, client: str, now: float) -> float:
        """Count one request; 0, or in how many seconds the client may ask again."""
        paid = max(self._paid_until.pop(client, now), now)
        wait = paid - now - HTTP_BURST_SECONDS_MAX
        self._paid_until[client] = paid if wait > 0 else paid + self._cost
        if len(self._paid_until) > HTTP_CLIENTS_ENTRIES_MAX:
            del self._paid_until[next(iter(self._paid_until))]
        return max(0.0, wait)


def _parsed(address: str) -> ipaddress.IPv4Address | ipaddress.IPv6Address | None:
    try:
        parsed = ipaddress.ip_address(address)
    except ValueError:
        return None
    mapped = parsed.ipv4_mapped if isinstance(parsed, ipaddress.IPv6Address) else None
    return mapped or parsed


def group_of(address: str) -> str:
    """The client that an address belongs to: itself, or its IPv6 /64."""
    parsed = _parsed(address)
    if isinstance(parsed, ipaddress.IPv6Address):
        return str(ipaddress.IPv6Network((int(parsed) >> 64 << 64, 64)))
    return str(parsed or address)
