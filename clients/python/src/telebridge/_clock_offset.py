"""The offset between two machines' clocks, from pings and their answers (RFC 5905, section 8)."""

from __future__ import annotations

import collections
from typing import Deque, Optional, Tuple

_SAMPLES_MAX = 8


class ClockOffset:
    """Of the last answers the one that took the least time on the way has the least error."""

    def __init__(self) -> None:
        self._samples: Deque[Tuple[int, int]] = collections.deque(maxlen=_SAMPLES_MAX)

    def add(self, sent_ns: int, received_ns: int, answered_ns: int, returned_ns: int) -> None:
        """Sent and returned by our clock, received and answered by the other's."""
        delay_ns = (returned_ns - sent_ns) - (answered_ns - received_ns)
        offset_ns = ((received_ns - sent_ns) + (answered_ns - returned_ns)) // 2
        self._samples.append((delay_ns, offset_ns))

    @property
    def offset_ns(self) -> Optional[int]:
        """The other's clock less ours; None before the first answer."""
        return min(self._samples)[1] if self._samples else None
