"""How often something may be done: token buckets (Turner, New directions in communications, 1986) in memory."""

import ipaddress
import threading
from collections import OrderedDict
from datetime import datetime


class Rates:
    """One bucket a key: each holds ``burst`` tokens at most and gains one in ``every_s`` seconds."""

    def __init__(self, burst: int, every_s: float, most_keys: int = 100_000) -> None:
        """
        Args:
            most_keys: beyond, what was used least recently is forgotten, and begins anew with a full bucket.
        """
        self.burst = burst
        self.every_s = every_s
        self.most_keys = most_keys
        self._lock = threading.Lock()
        self._full_at: OrderedDict[str, float] = OrderedDict()
        """When each bucket will be full again, in seconds since 1970; the one that was used last stands last."""

    def take(self, key: str, at: datetime) -> float:
        """Take a token.

        Returns:
            0.0, or the seconds until there is one; nothing is taken then.
        """
        now = at.timestamp()
        with self._lock:
            full_at = max(self._full_at.get(key, now), now)
            wait_s = full_at + self.every_s - self.burst * self.every_s - now
            # Sums of times are off by a little.
            if wait_s > 1e-3:
                return wait_s
            self._full_at[key] = full_at + self.every_s
            self._full_at.move_to_end(key)
            self._forget(now)
        return 0.0

    def __len__(self) -> int:
        """How many keys are remembered."""
        return len(self._full_at)

    def _forget(self, now: float) -> None:
        """Drop the oldest keys while their buckets are full, which is as if they had never been, or too many."""
        while self._full_at:
            key, full_at = next(iter(self._full_at.items()))
            if full_at > now and len(self._full_at) <= self.most_keys:
                return
            del self._full_at[key]


def find_network(address: str) -> str:
    """What an address is counted by: itself, or the /64 of IPv6, which one household has whole."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return address
    if isinstance(ip, ipaddress.IPv6Address):
        return str(ip.ipv4_mapped or ipaddress.ip_network((ip, 64), strict=False))
    return str(ip)
