"""The process beside a trainer that sends its rows: ``python -m telebridge._sender QUEUE_FD PARENT_PID COMMANDS_FD``.

It drains the queue, packs rows, publishes them, and keeps what is not acknowledged: in the queue, or in the spool once
the server has been away for a second or is too slow. It ends when the trainer has ended and all is acknowledged or
spooled, at the latest after :data:`_LINGER_S`.
"""

from __future__ import annotations

import collections
import os
import pathlib
import random
import secrets
import signal
import sys
import threading
import time
from typing import Any, Deque, Dict, List, Optional, Tuple

from . import _layout as at
from ._commands import CommandDesk
from ._lane import EXIT_CANNOT, EXIT_DONE, INSTALL_HINT, missing_packages
from ._queue import Progress, QueueReader

if not missing_packages():
    import grpc

    from ._adoption import Adopter
    from ._delivery import Delivery, Gap, SpoolReader, deliver_finish, first_sequences
    from ._discovery import ServerAway, destination, find_server, spool_dir
    from ._publisher import Publisher
    from ._rows import Message, Packer, encode
    from ._spool import Identity, Spool, bytes_max, spools_bytes

_READ_BYTES = 1 << 20
_NAP_S_MIN, _NAP_S_MAX = 0.003, 0.02
_AWAY_S = 1.0
_RETRY_S_MIN, _RETRY_S_MAX = 0.1, 2.0
# After the trainer's end.
_LINGER_S = 60.0
_LINGER_WITHOUT_ACK_S = 10.0
_ADOPTION_S = 10.0
# The share of the queue that may be held in memory, unacknowledged, before it goes to the spool.
_MEMORY_SHARE = 4
_SPOOLS_LOOK_S = 2.0
_MARKS_MAX = 10_000

Mark = Tuple[int, Tuple[int, ...]]


class Sender:
    """The process's one loop. Everything that waits (acknowledgements, uploads, old spools) has a thread elsewhere."""

    def __init__(self, queue: QueueReader, parent_pid: int, commands: CommandDesk) -> None:
        self._queue = queue
        self._commands = commands
        self._words = queue.words
        self._parent_pid = parent_pid
        self._config: Dict[str, Any] = queue.config
        self._run_id: str = self._config["run_id"]
        progress = queue.progress()
        self._stream_id = progress.stream_id
        self._packer = Packer(progress.sequences)
        self._position = progress.tail
        #: Per kind the last row that is committed, and the last that is in the spool.
        self._acked = [0] * 9
        self._spooled = list(progress.sequences)
        self._acked_before = 0
        self._unsent: Dict[int, Deque[Message]] = {kind: collections.deque() for kind in at.KINDS}
        self._sent: Dict[int, Deque[Message]] = {kind: collections.deque() for kind in at.KINDS}
        self._memory_bytes = 0
        #: Positions, and the sequences of the last rows before them.
        self._tail_marks: Deque[Mark] = collections.deque()
        self._committed_marks: Deque[Mark] = collections.deque()
        self._synced_marks: Deque[Mark] = collections.deque()
        self._publisher: Optional[Publisher] = None
        self._delivery = Delivery()
        self._forwarder: Any = None
        self._wake = threading.Event()
        self._spool_root = spool_dir()
        self._spool: Optional[Spool] = None
        self._reader: Optional[SpoolReader] = None
        self._spools_bytes = 0
        self._spools_looked_s = 0.0
        self._spool_error = ""
        self._sealed: List[pathlib.Path] = []
        self._adopter = Adopter(self._spool_root, self._run_id)
        now_s = time.monotonic()
        self._away_since_s: Optional[float] = now_s
        self._away_why = ""
        self._retry_at_s = now_s
        self._retry_s = _RETRY_S_MIN
        self._said_away = False
        self._said_failing = ""
        self._closed_since_s: Optional[float] = None
        self._progressed_s = now_s
        self._has_tried_since_closed = False
        self._sent_high = [0] * 9
        self._is_terminated = False
        signal.signal(signal.SIGTERM, self._note_termination)
        self._take_up(progress)

    def _take_up(self, progress: Progress) -> None:
        """Goes on where a sender before this one was killed."""
        mark = (progress.tail, progress.sequences)
        self._committed_marks.append(mark)
        self._synced_marks.append(mark)
        # The server does not count these kinds: what is not in the spool is done with.
        for kind in (at.KIND_CHECKPOINTS, at.KIND_FINISH):
            self._acked[kind] = progress.sequences[kind]
        if not (self._spool_root / f"{self._run_id}~{self._stream_id.hex()}").exists():
            self._sent_high = list(progress.sequences)
            return
        self._open_spool()
        assert self._spool is not None
        for kind, first in first_sequences(self._spool).items():
            if kind in (at.KIND_CHECKPOINTS, at.KIND_FINISH):
                self._acked[kind] = first - 1

    def _note_termination(self, *_: Any) -> None:
        """The machine may be going down: from now on all goes to the disk at once."""
        self._is_terminated = True

    def run(self) -> None:
        nap_s = _NAP_S_MIN
        while not self._is_done():
            is_busy = self._drain()
            self._connect()
            if self._publisher is not None:
                self._send()
                self._collect()
            self._spill_if_due()
            self._store_progress()
            nap_s = _NAP_S_MIN if is_busy else min(_NAP_S_MAX, 2 * nap_s)
            if not is_busy or self._memory_bytes > _READ_BYTES:
                self._wake.wait(nap_s)
                self._wake.clear()
        self._end()

    # ---- From the queue ------------------------------------------------------------------------------------------

    def _drain(self) -> bool:
        """Takes records out of the queue, as many as memory allows. True when there were some."""
        if self._memory_bytes > self._queue.capacity // _MEMORY_SHARE:
            return False
        block = self._queue.read(self._position, _READ_BYTES)
        if block.end == self._position:
            return False
        for message in self._packer.pack(block.samples, block.others, self._queue.layouts):
            if message.kind == at.KIND_CHECKPOINTS:
                self._keep_file(message)
            self._unsent[message.kind].append(message)
            self._memory_bytes += message.bytes
        self._position = block.end
        mark = (block.end, tuple(self._packer.sequences))
        for marks in (self._tail_marks, self._committed_marks, self._synced_marks):
            if len(marks) > _MARKS_MAX:
                _thin(marks)
            marks.append(mark)
        return True

    def _keep_file(self, message: Message) -> None:
        """Gives a checkpoint a second name, so that it is there still when the trainer has deleted it."""
        body = message.request
        folder = self._spool_root / "files"
        kept = folder / f"{self._stream_id.hex()}-{message.first}"
        try:
            folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not kept.exists():
                os.link(body["path"], kept)
            body["kept_path"] = str(kept)
        except OSError:
            body["kept_path"] = ""  # another file system, or gone: it is read from where it is

    # ---- To the server -------------------------------------------------------------------------------------------

    def _connect(self) -> None:
        now_s = time.monotonic()
        if self._publisher is not None:
            wants_synced = bool(self._words[at.WORD_SYNCED_WANTED])
            if self._publisher.error is not None:
                refusal = self._delivery.note_refusal(self._publisher)
                if refusal is not None:
                    self._say(refusal)
                    self._words[at.WORD_ROWS_REJECTED] += self._delivery.rows_rejected
                    self._delivery.rows_rejected = 0
                self._disconnect(self._publisher.error)
            elif wants_synced and not self._publisher.want_synced:
                self._disconnect("")
        if self._publisher is not None or now_s < self._retry_at_s:
            return
        try:
            address = find_server()
            publisher = Publisher(
                address,
                self._run_id,
                self._stream_id,
                self._config,
                self._wake,
                want_synced=bool(self._words[at.WORD_SYNCED_WANTED]),
            )
        except ServerAway as error:
            self._stay_away(str(error))
            return
        except grpc.RpcError as error:
            self._stay_away(f"{error.code().name}: {error.details()}")
            return
        self._publisher = publisher
        self._retry_s = _RETRY_S_MIN
        self._away_since_s = None
        self._has_tried_since_closed = False
        self._progressed_s = time.monotonic()
        self._words[at.WORD_STATE] = at.STATE_CONNECTED
        if self._reader is not None:
            self._reader.restart()
        if publisher.want_synced:
            for kind, committed in publisher.registered.items():
                if committed:
                    publisher.ask(kind)
        self._adopter.start()
        self._start_forwarder(publisher)
        if self._said_away:
            self._said_away = False
            self._say(f'run "{self._run_id}": the server is back; what was kept is being sent')

    def _stay_away(self, why: str) -> None:
        now_s = time.monotonic()
        self._away_why = why
        self._retry_at_s = now_s + self._retry_s * (0.5 + random.random())
        self._retry_s = min(_RETRY_S_MAX, 2 * self._retry_s)
        self._words[at.WORD_STATE] = at.STATE_AWAY
        if self._away_since_s is None:
            self._away_since_s = now_s
        self._has_tried_since_closed = self._closed_since_s is not None

    def _disconnect(self, why: str) -> None:
        """What is on its way goes back to the front of what is to be sent."""
        publisher = self._publisher
        if publisher is None:
            return
        self._collect()
        self._stop_forwarder()
        publisher.close()
        self._publisher = None
        for kind in at.KINDS:
            self._unsent[kind].extendleft(reversed(self._sent[kind]))
            self._sent[kind].clear()
        self._away_since_s = time.monotonic()
        self._retry_at_s = 0.0
        self._away_why = why
        if why:
            self._stay_away(why)

    def _send(self) -> None:
        publisher = self._publisher
        assert publisher is not None
        try:
            if self._spool is not None and not self._send_spooled(publisher):
                return
            for kind in at.KINDS:
                unsent = self._unsent[kind]
                while unsent and kind != at.KIND_FINISH and self._delivery.offer(publisher, unsent[0]):
                    self._note_sent(unsent[0])
                    self._sent[kind].append(unsent.popleft())
            self._send_finish(publisher)
        except Gap:
            self._start_anew()
        except grpc.RpcError as error:
            self._disconnect(f"{error.code().name}: {error.details()}")

    def _send_spooled(self, publisher: Publisher) -> bool:
        """True when all of the spool is on its way or acknowledged. Raises Gap."""
        reader = self._reader
        assert reader is not None
        message = reader.peek()
        while message is not None:
            if message.last > self._acked[message.kind]:
                if message.kind == at.KIND_FINISH:
                    if not deliver_finish(publisher, message):
                        return False
                    self._acked[message.kind] = message.last
                elif not self._delivery.offer(publisher, message):
                    return False
                self._note_sent(message)
            reader.advance()
            message = reader.peek()
        return True

    def _send_finish(self, publisher: Publisher) -> None:
        unsent = self._unsent[at.KIND_FINISH]
        if not unsent or self._spool is not None:
            return
        others = [kind for kind in at.KINDS if kind != at.KIND_FINISH]
        if any(self._unsent[kind] or self._sent[kind] for kind in others):
            return
        message = unsent[0]
        if deliver_finish(publisher, message):
            unsent.popleft()
            self._memory_bytes -= message.bytes
            self._acked[at.KIND_FINISH] = message.last
            self._note_sent(message)

    def _note_sent(self, message: Message) -> None:
        self._sent_high[message.kind] = max(self._sent_high[message.kind], message.last)

    def _collect(self) -> None:
        """Takes note of acknowledgements."""
        publisher = self._publisher
        assert publisher is not None
        for kind in at.KINDS:
            if kind == at.KIND_FINISH:
                continue
            committed = publisher.committed(kind)
            if committed > self._acked[kind]:
                self._acked[kind] = committed
                self._progressed_s = time.monotonic()
            sent = self._sent[kind]
            while sent and sent[0].last <= committed:
                self._memory_bytes -= sent.popleft().bytes
        if self._reader is not None and self._spool is not None:
            if self._reader.remove_acked(lambda kind: self._acked[kind]):
                self._spool.remove()
                self._spool = self._reader = None
        while not publisher.complaints.empty():
            self._say(publisher.complaints.get())
        failing = publisher.failing_reason or ""
        if failing != self._said_failing:
            self._said_failing = failing
            if failing:
                self._say(f'run "{self._run_id}": the server cannot store now, rows are kept: {failing}')

    def _start_anew(self) -> None:
        """The server has lost what it had acknowledged. What is not acknowledged stays a spool of the old stream, which
        is sent under numbers of its own; what comes from now on is a new stream."""
        self._disconnect("the server lacks rows that it had acknowledged")
        self._spill()
        if self._has_memory():
            return
        if self._spool is not None:
            self._sealed.append(self._spool.path)
            self._spool.release()
            self._spool = self._reader = None
        self._acked_before += sum(self._acked[: at.KIND_FINISH])
        self._stream_id = secrets.token_bytes(16)
        self._packer.sequences = [0] * 9
        self._acked = [0] * 9
        self._spooled = [0] * 9
        self._sent_high = [0] * 9
        for marks in (self._tail_marks, self._committed_marks, self._synced_marks):
            marks.clear()
            marks.append((self._position, (0,) * 9))
        self._queue.put_progress(Progress(self._position, (0,) * 9, self._stream_id))

    # ---- To the spool --------------------------------------------------------------------------------------------

    def _spill_if_due(self) -> None:
        if self._spool is not None:
            self._spool.sync_if_due()
        if not self._has_memory():
            return
        is_full = self._memory_bytes > self._queue.capacity // _MEMORY_SHARE
        is_away = self._away_since_s is not None and (
            time.monotonic() - self._away_since_s > _AWAY_S or self._has_tried_since_closed
        )
        if is_full or is_away or self._is_terminated:
            self._spill()
            if self._is_terminated and self._spool is not None:
                self._spool.sync()
            if is_away and not self._said_away and self._spool is not None:
                self._said_away = True
                self._say(
                    f'run "{self._run_id}": no server ({self._away_why}); rows are kept in {self._spool_root} '
                    "until one is there"
                )

    def _has_memory(self) -> bool:
        return any(self._unsent[kind] or self._sent[kind] for kind in at.KINDS)

    def _spill(self) -> None:
        """Writes all that is in memory and not acknowledged to the spool."""
        if self._is_disk_full():
            return
        messages = [message for kind in at.KINDS for message in (*self._sent[kind], *self._unsent[kind])]
        if not messages:
            return
        try:
            if self._spool is None:
                self._open_spool()
            assert self._spool is not None
            self._spool.append([encode(message) for message in messages])
        except OSError as error:
            self._say_once(f'run "{self._run_id}": cannot write the spool, rows stay in memory: {error}')
            return
        self._spool_error = ""
        for kind in at.KINDS:
            self._sent[kind].clear()
            self._unsent[kind].clear()
        for message in messages:
            self._spooled[message.kind] = message.last
        self._memory_bytes = 0

    def _open_spool(self) -> None:
        identity = Identity(self._run_id, self._stream_id, destination(), self._config)
        self._spool = Spool.create(self._spool_root, identity)
        self._reader = SpoolReader(self._spool)

    def _is_disk_full(self) -> bool:
        now_s = time.monotonic()
        if now_s - self._spools_looked_s > _SPOOLS_LOOK_S:
            self._spools_looked_s = now_s
            self._spools_bytes = spools_bytes(self._spool_root)
        if self._spools_bytes + self._memory_bytes <= bytes_max():
            return False
        self._say_once(f'run "{self._run_id}": {self._spool_root} has reached its limit of {bytes_max()} bytes')
        return True

    # ---- For the trainer -----------------------------------------------------------------------------------------

    def _store_progress(self) -> None:
        reached = None
        while self._tail_marks and self._is_reached(self._tail_marks[0], self._acked, self._spooled):
            reached = self._tail_marks.popleft()
        if reached is not None:
            self._queue.put_progress(Progress(reached[0], reached[1], self._stream_id))
        if not any(path.exists() for path in self._sealed):
            self._advance(self._committed_marks, at.WORD_COMMITTED_POSITION, self._acked)
            publisher = self._publisher
            if publisher is not None and publisher.want_synced:
                synced = [0, *(publisher.synced(kind) for kind in at.KINDS)]
                for kind in (at.KIND_CHECKPOINTS, at.KIND_FINISH):  # answered once they are synced
                    synced[kind] = self._acked[kind]
                self._advance(self._synced_marks, at.WORD_SYNCED_POSITION, synced)
        # A sender that took up another's work knows less than that one did, until it has heard from the server.
        for word, sequences in ((at.WORD_ROWS_SENT, self._sent_high), (at.WORD_ROWS_ACKED, self._acked)):
            count = self._acked_before + sum(sequences[: at.KIND_FINISH])
            self._words[word] = max(self._words[word], count)
        self._words[at.WORD_ROWS_SPOOLED] = (
            sum(max(0, self._spooled[kind] - self._acked[kind]) for kind in at.KINDS if kind != at.KIND_FINISH)
            if self._spool is not None
            else 0
        )

    def _advance(self, marks: Deque[Mark], word: int, sequences: List[int]) -> None:
        while marks and self._is_reached(marks[0], sequences, sequences):
            self._words[word] = marks.popleft()[0]

    @staticmethod
    def _is_reached(mark: Mark, first: List[int], second: List[int]) -> bool:
        return all(mark[1][kind] <= first[kind] or mark[1][kind] <= second[kind] for kind in at.KINDS)

    def _say(self, text: str) -> None:
        self._queue.put_notice(text)

    def _say_once(self, text: str) -> None:
        if text != self._spool_error:
            self._spool_error = text
            self._say(text)

    # ---- Its end -------------------------------------------------------------------------------------------------

    def _is_done(self) -> bool:
        if self._closed_since_s is None:
            if not self._queue.closed and os.getppid() == self._parent_pid:
                return False
            self._closed_since_s = self._progressed_s = time.monotonic()
            self._retry_at_s = 0.0
            return False
        if self._position < self._queue.head:
            return self._is_overdue()
        if not self._has_memory():
            is_sent = self._spool is None
            return is_sent or (self._publisher is None and self._has_tried_since_closed) or self._is_overdue()
        return self._is_overdue()

    def _is_overdue(self) -> bool:
        now_s = time.monotonic()
        assert self._closed_since_s is not None
        return now_s - self._closed_since_s > _LINGER_S or now_s - self._progressed_s > _LINGER_WITHOUT_ACK_S

    def _end(self) -> None:
        while self._drain() or self._has_memory():
            before = self._memory_bytes
            self._spill()
            if self._memory_bytes == before:
                break
        self._store_progress()
        if self._publisher is not None:
            self._adopter.stop(_ADOPTION_S)
            self._stop_forwarder()
            self._publisher.close()
        if self._spool is not None:
            self._spool.release()

    # ---- Pictures for a server on another machine ----------------------------------------------------------------

    def _start_forwarder(self, publisher: Publisher) -> None:
        try:
            from ._forwarder import Forwarder
        except ImportError:
            return
        from ._library import library

        try:
            self._forwarder = Forwarder(
                publisher.channel, publisher.metadata, self._run_id, self._stream_id, library(), self._commands
            )
            self._forwarder.start()
        except Exception as error:  # rows go on without pictures
            self._forwarder = None
            self._say(f'run "{self._run_id}": no pictures over gRPC: {error}')

    def _stop_forwarder(self) -> None:
        forwarder, self._forwarder = self._forwarder, None
        if forwarder is not None:
            forwarder.stop()


def _thin(marks: Deque[Mark]) -> None:
    """Every other one: positions become coarser, and stay true."""
    kept = list(marks)[1::2]
    marks.clear()
    marks.extend(kept)


def main() -> int:
    queue_fd, parent_pid, commands_fd = (int(word) for word in sys.argv[1:4])
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    missing = missing_packages()
    if missing:
        print(f"{' and '.join(missing)} cannot be imported ({INSTALL_HINT})", file=sys.stderr)
        return EXIT_CANNOT
    Sender(QueueReader(queue_fd), parent_pid, CommandDesk(commands_fd)).run()
    os._exit(EXIT_DONE)  # threads of grpc may wait for answers still


if __name__ == "__main__":
    sys.exit(main())
