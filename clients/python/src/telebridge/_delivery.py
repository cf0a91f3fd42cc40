"""Hands a stream's messages to a publisher in order, and deals with a server that refuses one or lacks earlier ones."""

from __future__ import annotations

import pathlib
from typing import Any, Callable, Dict, Iterator, List, Optional, Set, Tuple

from . import _layout as at
from ._publisher import Publisher
from ._rows import Encoded, Message, decode, stand_in
from ._spool import Spool, entries_of


class Gap(Exception):
    """The server lacks rows that were acknowledged once: its data is another's now, or older."""


class Delivery:
    """Offers messages. Of a kind that the server refused a message of, one message is on its way at a time, so that the
    next refusal says which; that one is replaced by a stand-in, since sequence numbers must have no gaps."""

    def __init__(self) -> None:
        self.rows_rejected = 0
        self._careful: Set[int] = set()
        self._refused: Dict[Tuple[int, int], str] = {}

    def offer(self, publisher: Publisher, message: Message) -> bool:
        """Sends the message if it can go now; one that was sent on this connection or is stored counts as sent.

        Raises Gap."""
        kind = message.kind
        sent = publisher.sent(kind)
        if kind in publisher.registered:
            if message.last <= sent:
                return True
            if message.first > sent + 1:
                raise Gap
        if not publisher.can_take(message):
            return False
        if kind in self._careful and sent > publisher.committed(kind):
            return False
        why = self._refused.get((kind, message.first))
        publisher.send(stand_in(message, why) if why is not None else message)
        return True

    def note_refusal(self, publisher: Publisher) -> Optional[str]:
        """To be called when a publisher has failed. Returns a line for people when rows are given up."""
        if publisher.rejected is None:
            return None
        ((kind, why),) = publisher.rejected.items()
        on_way = publisher.sent(kind) - publisher.committed(kind)
        if kind not in self._careful:
            self._careful.add(kind)
            return None
        self._careful.discard(kind)
        self._refused[(kind, publisher.committed(kind) + 1)] = why
        self.rows_rejected += on_way
        return f"the server refuses {on_way} rows, which are given up: {why}"


class SpoolReader:
    """A spool's messages in order, and its segments' removal once they are acknowledged."""

    def __init__(self, spool: Spool) -> None:
        self._spool = spool
        self._read: List[Tuple[pathlib.Path, Dict[int, int]]] = []
        self._entries: Optional[Iterator[Encoded]] = None
        self._next: Optional[Message] = None

    def restart(self) -> None:
        """From the oldest segment again: after a reconnect."""
        self._read = []
        self._entries = None
        self._next = None

    def peek(self) -> Optional[Message]:
        """The next message; None at the end. Closes the segment that is being written, to read it."""
        while self._next is None:
            if self._entries is None:
                done = {path for path, _ in self._read}
                segment = next((path for path in self._spool.segments() if path not in done), None)
                if segment is None:
                    return None
                self._spool.close_segment()
                self._read.append((segment, {}))
                self._entries = entries_of(segment)
            encoded = next(self._entries, None)
            if encoded is None:
                self._entries = None
                continue
            self._next = decode(encoded)
            lasts = self._read[-1][1]
            lasts[encoded.kind] = self._next.last
        return self._next

    def advance(self) -> None:
        self._next = None

    def remove_acked(self, acked: Callable[[int], int]) -> bool:
        """Removes segments that are done with. True when nothing is left."""
        complete = self._read if self._entries is None and self._next is None else self._read[:-1]
        for entry in list(complete):
            path, lasts = entry
            if all(last <= acked(kind) for kind, last in lasts.items()):
                path.unlink(missing_ok=True)
                self._read.remove(entry)
        return not self._read and not self._spool.segments()


def deliver_finish(publisher: Publisher, message: Message) -> bool:
    """Says that the run has ended, once nothing is on its way. Raises grpc.RpcError."""
    if any(publisher.sent(kind) > publisher.committed(kind) for kind in at.KINDS):
        return False
    body: Dict[str, Any] = message.request
    publisher.finish_run(body)
    return True


def first_sequences(spool: Spool) -> Dict[int, int]:
    """Of each kind that the spool has."""
    firsts: Dict[int, int] = {}
    reader = SpoolReader(spool)
    message = reader.peek()
    while message is not None:
        firsts.setdefault(message.kind, message.first)
        reader.advance()
        message = reader.peek()
    return firsts
