"""The queue between a trainer and its sender: one memfd that both have mapped, version 1.

One process writes records (the trainer, any of its threads), one reads them (its sender, or the next one when that has
died). Nobody waits for anybody: a record that finds no room is dropped and counted.

====================  =================================================================================================
0                     64 KiB of header: words of 64 bits (:mod:`._layout`), a notice for people, the run's settings
65,536                the ring of records; its capacity is a power of 2
65,536 + capacity     definitions, only ever appended
====================  =================================================================================================

**Head** counts the bytes ever written, **tail** those that are done with; both only grow, and a position's place in the
ring is the position modulo the capacity. A record begins at a multiple of 8 with u32 bytes (without the padding to the
next 8), u16 kind, u16 layout, i64 CLOCK_REALTIME in ns, and never wraps: where the ring's end is too near, one of kind 0
fills the rest. The trainer writes a record's bytes first and stores head last, so a killed trainer leaves whole records
only. Aligned words are stored whole by ``memoryview.cast("Q")``. x86-64 keeps the order of stores; elsewhere the sender
reads only up to a head that it has seen one nap earlier.

**Samples** hold a u64 step (2**64 - 1: none) and an f64 for each name of their layout. A layout is a tuple of names:
entry number n of the definitions, u32 bytes and a JSON list. Definitions are never taken back, so that a new sender
knows them all. Steps hold u64 step, u64 episode, f64 reward, u64 flags, and JSON; all other kinds hold JSON.

**Progress** is the sender's: tail, the sequence numbers of each kind up to tail, and the stream's id. It is written to
whichever of two places does not hold, then one word says that it does: a sender killed at any moment leaves a
consistent one, and the next sender gives the same rows the same numbers. Tail passes a row only when it is acknowledged
as committed or stands in a spool file. Trainers store no sequence numbers: dropping makes no gaps.

**Limits**: 16 MiB of records; the newest is dropped at the limit, counted in rows, and warned of once. 4 MiB of
definitions, 65,536 layouts and as many names: names beyond are dropped and counted the same way.
"""

from __future__ import annotations

import collections
import json
import mmap
import os
import secrets
import sys
from typing import Any, Callable, Deque, Dict, List, Mapping, NamedTuple, Optional, Tuple

import threading

from . import _layout as at

CAPACITY_BYTES = 16 << 20
DEFINITIONS_BYTES = 4 << 20
_ALIGNMENT_MASK = 7
# So many writes turned away mean that an exception struck a writer in its turn; then the turn is taken from it.
_WAITING_MAX = 10_000


class Progress(NamedTuple):
    """How far the sender has come. `sequences` are those of the last row before `tail`, by kind; [0] is unused."""

    tail: int
    sequences: Tuple[int, ...]
    stream_id: bytes


class _Shared:
    """The mapping, as both sides have it."""

    def __init__(self, fd: int, size_bytes: int) -> None:
        self.fd = fd
        self.map = mmap.mmap(fd, size_bytes)
        self.bytes = memoryview(self.map)
        self.words = self.bytes[: at.HEADER_BYTES].cast("Q")

    def _bound(self) -> None:
        self.capacity = int(self.words[at.WORD_CAPACITY_BYTES])
        definitions = int(self.words[at.WORD_DEFINITIONS_CAPACITY_BYTES])
        end = at.HEADER_BYTES + self.capacity
        self.ring = self.bytes[at.HEADER_BYTES : end]
        self.definitions = self.bytes[end : end + definitions]

    def progress(self) -> Progress:
        first = at.WORDS_PROGRESS_B if self.words[at.WORD_PROGRESS] else at.WORDS_PROGRESS_A
        words = self.words[first : first + 12].tolist()
        stream_id = b"".join(word.to_bytes(8, "little") for word in words[10:12])
        return Progress(words[0], tuple([0, *words[1:9]]), stream_id)

    def put_progress(self, progress: Progress) -> None:
        other = 0 if self.words[at.WORD_PROGRESS] else 1
        first = at.WORDS_PROGRESS_B if other else at.WORDS_PROGRESS_A
        self.words[first] = progress.tail
        for kind in at.KINDS:
            self.words[first + kind] = progress.sequences[kind]
        for index in range(2):
            self.words[first + 10 + index] = int.from_bytes(progress.stream_id[8 * index : 8 * index + 8], "little")
        self.words[at.WORD_PROGRESS] = other


class QueueWriter(_Shared):
    """The trainer's side. `config` is what the sender must know of the run, as JSON; ValueError when it is more than fits.
    Threads, signal handlers and finalizers may all write: whoever finds a write under way leaves
    its record to the one that writes. A forked child must not write (see ``forked``)."""

    def __init__(self, config: Mapping[str, Any], capacity_bytes: int = CAPACITY_BYTES) -> None:
        text = json.dumps(config).encode()
        if len(text) > at.HEADER_BYTES - at.CONFIG_BYTE:
            raise ValueError(f"the run's tags and metadata have {len(text)} bytes, more than fit")
        fd = os.memfd_create("telebridge-queue")
        size_bytes = at.HEADER_BYTES + capacity_bytes + DEFINITIONS_BYTES
        os.ftruncate(fd, size_bytes)
        super().__init__(fd, size_bytes)
        self.bytes[at.CONFIG_BYTE : at.CONFIG_BYTE + len(text)] = text
        words = self.words
        words[at.WORD_CAPACITY_BYTES] = capacity_bytes
        words[at.WORD_DEFINITIONS_CAPACITY_BYTES] = DEFINITIONS_BYTES
        words[at.WORD_CONFIG_BYTES] = len(text)
        self._bound()
        self.put_progress(Progress(0, (0,) * 9, secrets.token_bytes(16)))
        words[at.WORD_MAGIC] = at.MAGIC_AND_VERSION
        self.forked = False
        #: Called when a forked child writes.
        self.on_forked_write: Callable[[], None] = lambda: None
        self._tail_seen = 0
        self._turn = threading.Lock()
        self._waiting: Deque[Tuple[bytes, int]] = collections.deque()
        self._layouts: Dict[Tuple[str, ...], int] = {}

    def write(self, record: bytes, rows: int = 1) -> None:
        """Appends a record that has `rows` rows, or counts them as dropped. Never waits, never raises."""
        if self.forked:
            self.on_forked_write()
            return
        turn = self._turn
        if not turn.acquire(False):
            self._waiting.append((record, rows))
            if not turn.acquire(False):
                if len(self._waiting) > _WAITING_MAX:
                    self._turn = threading.Lock()
                return  # whoever has the turn takes the record along
            record = b""
        try:
            if self._waiting:
                self._put_waiting()
            if record:
                self._put(record, rows)
        finally:
            turn.release()
        # A record may have come since, from a writer that found the turn taken.
        while self._waiting and turn.acquire(False):
            try:
                self._put_waiting()
            finally:
                turn.release()

    def _put_waiting(self) -> None:
        waiting = self._waiting
        while waiting:
            record, rows = waiting[0]
            self._put(record, rows)
            waiting.popleft()

    def _put(self, record: bytes, rows: int) -> None:
        words = self.words
        capacity = self.capacity
        head = words[at.WORD_HEAD]
        record_bytes = len(record)
        begin = head & (capacity - 1)
        end = begin + record_bytes
        padding = 0
        if end > capacity:
            padding = capacity - begin
            begin, end = 0, record_bytes
        new_head = head + padding + ((record_bytes + _ALIGNMENT_MASK) & ~_ALIGNMENT_MASK)
        if new_head - self._tail_seen > capacity:
            self._tail_seen = self.progress().tail
            if new_head - self._tail_seen > capacity:
                words[at.WORD_ROWS_DROPPED] += rows
                return
        if padding:
            at_end = head & (capacity - 1)
            self.ring[at_end : at_end + 8] = padding.to_bytes(8, "little")  # u32 bytes, kind 0
        self.ring[begin:end] = record
        words[at.WORD_HEAD] = new_head

    def define(self, names: Tuple[str, ...]) -> Optional[int]:
        """The number of the layout with these names; None when there is no room for one more."""
        known = self._layouts.get(names)
        if known is not None or self.forked:
            return known or 0
        text = json.dumps(names).encode()
        begin = self.words[at.WORD_DEFINITIONS_HEAD]
        end = begin + 4 + len(text)
        if end > len(self.definitions) or len(self._layouts) >= at.LAYOUTS_MAX:
            return None
        self.definitions[begin:end] = len(text).to_bytes(4, "little") + text
        number = self._layouts[names] = len(self._layouts)
        self.words[at.WORD_DEFINITIONS_HEAD] = end
        return number

    @property
    def definitions_share(self) -> float:
        """How full the definitions are, from 0 to 1."""
        return max(self.words[at.WORD_DEFINITIONS_HEAD] / len(self.definitions), len(self._layouts) / at.LAYOUTS_MAX)

    def drop(self, rows: int) -> None:
        """Counts rows that could not even be written."""
        self.words[at.WORD_ROWS_DROPPED] += rows

    def notice(self) -> Tuple[int, str]:
        """The number of the sender's newest message for people (0: none), and the message."""
        length = int.from_bytes(self.bytes[at.NOTICE_BYTE : at.NOTICE_BYTE + 4], "little")
        begin = at.NOTICE_BYTE + 4
        text = bytes(self.bytes[begin : begin + min(length, at.NOTICE_BYTES_MAX)]).decode(errors="replace")
        return self.words[at.WORD_NOTICES], text


class Block(NamedTuple):
    """Records as they were read: positions in the queue, and what the records hold."""

    end: int
    # (layout, body) and times of samples and of everything else: (kind, time, body).
    samples: List[Tuple[int, bytes]]
    others: List[Tuple[int, int, bytes]]


class QueueReader(_Shared):
    """The sender's side."""

    def __init__(self, fd: int) -> None:
        super().__init__(fd, os.fstat(fd).st_size)
        if self.words[at.WORD_MAGIC] != at.MAGIC_AND_VERSION:
            raise ValueError(f"descriptor {fd} is no telebridge queue of this version")
        self._bound()
        config_bytes = self.words[at.WORD_CONFIG_BYTES]
        self.config: Dict[str, Any] = json.loads(bytes(self.bytes[at.CONFIG_BYTE : at.CONFIG_BYTE + config_bytes]))
        self.layouts: List[Tuple[str, ...]] = []
        self._definitions_read = 0
        self._head_settled = 0
        self._is_ordered = os.uname().machine == "x86_64" and sys.byteorder == "little"

    @property
    def head(self) -> int:
        return self.words[at.WORD_HEAD]

    @property
    def closed(self) -> bool:
        """Whether the trainer writes no more."""
        return self.words[at.WORD_CLOSED] != 0

    def read(self, position: int, bytes_max: int) -> Block:
        """The records from `position` on, about `bytes_max` of them at most."""
        head = self.head
        if not self._is_ordered:
            head, self._head_settled = self._head_settled, head
        samples: List[Tuple[int, bytes]] = []
        others: List[Tuple[int, int, bytes]] = []
        end = min(head, position + bytes_max)
        ring, mask, header = self.ring, self.capacity - 1, at.RECORD_HEADER
        unpack = header.unpack_from
        while position < end:
            begin = position & mask
            if begin + 16 > self.capacity:
                position += self.capacity - begin  # padding shorter than a header
                continue
            record_bytes, kind, layout, time_ns = unpack(ring, begin)
            position += (record_bytes + 7) & ~7
            if kind == at.KIND_SAMPLES:
                samples.append((layout, bytes(ring[begin + 8 : begin + record_bytes])))
            elif kind != at.KIND_PADDING:
                others.append((kind, time_ns, bytes(ring[begin + 16 : begin + record_bytes])))
        self._read_definitions()
        return Block(position, samples, others)

    def _read_definitions(self) -> None:
        head = self.words[at.WORD_DEFINITIONS_HEAD]
        while self._definitions_read < head:
            begin = self._definitions_read
            end = begin + 4 + int.from_bytes(self.definitions[begin : begin + 4], "little")
            self.layouts.append(tuple(json.loads(bytes(self.definitions[begin + 4 : end]))))
            self._definitions_read = end

    def put_notice(self, text: str) -> None:
        """Hands the trainer one line for people."""
        line = text.encode()[: at.NOTICE_BYTES_MAX]
        begin = at.NOTICE_BYTE
        self.bytes[begin : begin + 4 + len(line)] = len(line).to_bytes(4, "little") + line
        self.words[at.WORD_NOTICES] += 1
