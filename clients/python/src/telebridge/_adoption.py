"""Spools that dead processes left on this machine are sent by the next sender that reaches their server."""

from __future__ import annotations

import hashlib
import pathlib
import threading
import time
from typing import Dict, Optional

import grpc

from . import _layout as at
from ._delivery import Delivery, Gap, SpoolReader, deliver_finish, first_sequences
from ._discovery import ServerAway, destination, find_server
from ._publisher import Publisher
from ._spool import Spool

_LOOK_S = 5.0
_POLL_S = 0.02


class Adopter:
    """A thread that looks for such spools while it is let, and sends one after another."""

    def __init__(self, root: pathlib.Path, own_run_id: str) -> None:
        self._root = root
        self._own_run_id = own_run_id
        self._stopping = threading.Event()
        self._look = threading.Event()
        self.is_busy = False
        self._thread: Optional[threading.Thread] = None

    def start(self) -> None:
        """The server is there: look at once."""
        self._look.set()
        if self._thread is None:
            self.is_busy = True
            self._thread = threading.Thread(target=self._work, name="adopter", daemon=True)
            self._thread.start()

    def stop(self, patience_s: float) -> None:
        """Ends it, after the spool that it is at, or after so many seconds."""
        give_up_s = time.monotonic() + patience_s
        while self.is_busy and time.monotonic() < give_up_s:
            time.sleep(_POLL_S)
        self._stopping.set()
        self._look.set()
        if self._thread is not None:
            self._thread.join(1.0)

    def _work(self) -> None:
        while not self._stopping.is_set():
            self._look.clear()
            self.is_busy = True
            try:
                self._send_all()
            except (ServerAway, grpc.RpcError, OSError):
                pass  # the next look finds the rest
            self.is_busy = False
            self._look.wait(_LOOK_S)

    def _send_all(self) -> None:
        for path in sorted(self._root.glob("*~*")):
            if self._stopping.is_set():
                return
            spool = Spool.adopt(path)
            if spool is None:
                continue
            if spool.identity.destination != destination():
                spool.release()
                continue
            try:
                is_sent = self._send(spool)
            except BaseException:
                spool.release()
                raise
            if is_sent:
                spool.remove()
            else:
                spool.release()

    def _send(self, spool: Spool) -> bool:
        """Whether all of it is acknowledged."""
        delivery = Delivery()
        try:
            return self._send_numbered(spool, delivery, spool.identity.stream_id, {})
        except Gap:
            # The server never had, or has lost, what came before: a stream of its own, the same at every attempt.
            firsts = first_sequences(spool)
            base = repr(sorted(firsts.items())).encode()
            stream_id = hashlib.sha256(spool.identity.stream_id + base).digest()[:16]
            return self._send_numbered(spool, delivery, stream_id, {kind: first - 1 for kind, first in firsts.items()})

    def _send_numbered(self, spool: Spool, delivery: Delivery, stream_id: bytes, offsets: Dict[int, int]) -> bool:
        wake = threading.Event()
        identity = spool.identity
        publisher = Publisher(find_server(), identity.run_id, stream_id, identity.config, wake)
        try:
            reader = SpoolReader(spool)
            finished = 0
            is_sent = False
            while not self._stopping.is_set() and publisher.error is None:
                while not is_sent:
                    message = reader.peek()
                    if message is None:
                        is_sent = True
                        break
                    message.first -= offsets.get(message.kind, 0)
                    if message.kind == at.KIND_FINISH:
                        taken = deliver_finish(publisher, message)
                        finished = message.last if taken else finished
                    else:
                        taken = delivery.offer(publisher, message)
                    message.first += offsets.get(message.kind, 0)
                    if not taken:
                        break
                    reader.advance()

                def acked(kind: int) -> int:
                    offset = offsets.get(kind, 0)
                    return offset + (finished if kind == at.KIND_FINISH else publisher.committed(kind))

                if reader.remove_acked(acked) and is_sent:
                    return True
                wake.wait(_POLL_S)
                wake.clear()
            delivery.note_refusal(publisher)
            return False
        finally:
            publisher.close()
