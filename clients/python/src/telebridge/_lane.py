"""The trainer's end of the durable lane: it has the queue, keeps a sender process going, and tells people of its notices.

The calling threads only write to the queue. A monitor thread, asleep but for two glances a second, starts the sender,
starts another when one dies, and prints what the sender says.
"""

from __future__ import annotations

import atexit
import importlib.util
import json
import os
import pathlib
import queue
import subprocess
import sys
import threading
import time
import warnings
import weakref
from typing import Any, Callable, Dict, List, Mapping, Optional, Set, Tuple

from . import _layout as at
from ._commands import CommandHandlers
from ._queue import QueueWriter

INSTALL_HINT = "pip install 'telebridge[durable]', or Debian's python3-grpcio and python3-protobuf"

_GLANCE_S = 0.5
# Of a run that only shows pictures so far: short ones never start a sender.
_FRAMES_ONLY_DELAY_S = 0.5
_RESPAWN_S_MIN, _RESPAWN_S_MAX = 0.1, 10.0
# A sender that has run for so long was well: the next one starts at once.
_WELL_S = 10.0
_EXIT_FLUSH_S = 5.0
_POLL_S = 0.002
# The sender's way of saying that another one would not do better.
EXIT_DONE, EXIT_CANNOT = 0, 3

_START_CODE = (
    "import sys; sys.path[:] = [p for p in sys.path if p] + [sys.argv.pop(1)]; "
    "from telebridge._sender import main; sys.exit(main())"
)

# Those that have something to send, until their senders have ended.
_open_lanes: Set["Lane"] = set()
_all_lanes: "weakref.WeakSet[Lane]" = weakref.WeakSet()


def missing_packages() -> List[str]:
    """What the durable lane needs and this Python has not: names as pip knows them."""
    missing = []
    for module, package in (("grpc", "grpcio"), ("google.protobuf", "protobuf")):
        try:
            found = importlib.util.find_spec(module) is not None
        except ModuleNotFoundError:  # of google itself
            found = False
        if not found:
            missing.append(package)
    return missing


class Lane:
    """Writes records, and sees to it that a sender takes them. `config` is what the sender needs to know of the run."""

    def __init__(self, run_id: str, config: Mapping[str, Any], coalesce_hz: Optional[float] = None) -> None:
        self.run_id = run_id
        self.queue = QueueWriter(config)
        self.commands = CommandHandlers()
        self.write: Callable[..., None] = self.queue.write
        #: Called with CLOCK_REALTIME in ns as often as values are coalesced.
        self.write_due: Optional[Callable[[int], None]] = None
        self._glance_s = min(_GLANCE_S, 1 / coalesce_hz) if coalesce_hz else _GLANCE_S
        self._sender: Optional["subprocess.Popen[bytes]"] = None
        self._sender_started_s = 0.0
        self._respawn_s = _RESPAWN_S_MIN
        self._respawn_at_s = 0.0
        self._sender_done = False
        self._stderr_fd = -1
        self._monitor: Optional[threading.Thread] = None
        # Not an Event: a signal handler may wake the monitor while its thread is doing the same.
        self._wake: "queue.SimpleQueue[None]" = queue.SimpleQueue()
        self._notices_seen = 0
        self._dropped_seen = 0
        self._finished = False
        _all_lanes.add(self)

    def start(self) -> None:
        """Starts the monitor, once, and where there are records the sender: from then on the queue outlives this
        process. Cheap when it is there."""
        if self._monitor is None:
            if self.queue.forked or self._finished:
                return
            self._monitor = threading.Thread(target=self._watch, name="telebridge", daemon=True)
            _open_lanes.add(self)
            if self.queue.words[at.WORD_HEAD]:
                self._spawn(time.monotonic())
            self._monitor.start()
        elif self._sender is None:
            self._wake.put(None)

    @property
    def is_started(self) -> bool:
        return self._monitor is not None

    def write_json(self, kind: int, body: Mapping[str, Any], time_ns: Optional[int] = None) -> None:
        """Writes a record of the kinds that hold JSON. Raises TypeError for what has no JSON, ValueError if too large."""
        text = json.dumps(body, separators=(",", ":"), default=plain_value).encode()
        if len(text) > at.RECORD_BYTES_MAX:
            raise ValueError(f"{len(text)} bytes are too many to store at once, at most {at.RECORD_BYTES_MAX}")
        if time_ns is None:
            time_ns = time.time_ns()
        self.write(at.RECORD_HEADER.pack(16 + len(text), kind, 0, time_ns) + text)
        self.start()

    def flush(self, timeout_s: float, synced: bool) -> bool:
        """Waits until all that was written is acknowledged. False when it is not by then, or was dropped."""
        words = self.queue.words
        self.start()
        if synced:
            words[at.WORD_SYNCED_WANTED] = 1
        position = words[at.WORD_HEAD]
        words[at.WORD_FLUSH_POSITION] = position
        self._wake.put(None)
        word = at.WORD_SYNCED_POSITION if synced else at.WORD_COMMITTED_POSITION
        return self._wait(timeout_s, lambda: words[word] >= position) and words[at.WORD_ROWS_DROPPED] == 0

    def answer_commands(self) -> None:
        """Calls the handlers of commands that have come."""
        if not self.queue.forked:
            self.commands.answer(plain_value)

    def finish(self, state: str, reason: str) -> None:
        """Writes that the run has ended. The sender goes on by itself until all is sent or spooled."""
        if self._finished:
            return
        if self.write_due is not None:
            self.write_due(at.FOREVER_NS)
        self._finished = True
        if self.queue.forked:
            return
        words = self.queue.words
        if words[at.WORD_HEAD] or self._sender is not None:
            text = json.dumps({"state": state, "reason": reason}).encode()
            self.queue.write(at.RECORD_HEADER.pack(16 + len(text), at.KIND_FINISH, 0, time.time_ns()) + text)
        words[at.WORD_CLOSED] = 1
        self._wake.put(None)

    def is_safe(self) -> bool:
        """Whether the trainer may go: all is acknowledged, or stands in the spool while the server is away."""
        words = self.queue.words
        head = words[at.WORD_HEAD]
        if words[at.WORD_COMMITTED_POSITION] >= head:
            return True
        return words[at.WORD_STATE] == at.STATE_AWAY and self.queue.progress().tail >= head

    def await_safety(self, timeout_s: float) -> bool:
        return self._wait(timeout_s, self.is_safe)

    def counts(self) -> Dict[str, int]:
        """Rows so far: sent, acked, spooled (and not acked yet), dropped, coalesced, rejected."""
        words = self.queue.words
        return {
            "sent": words[at.WORD_ROWS_SENT],
            "acked": words[at.WORD_ROWS_ACKED],
            "spooled": words[at.WORD_ROWS_SPOOLED],
            "dropped": words[at.WORD_ROWS_DROPPED],
            "coalesced": words[at.WORD_ROWS_COALESCED],
            "rejected": words[at.WORD_ROWS_REJECTED],
        }

    def _wait(self, timeout_s: float, condition: Callable[[], bool]) -> bool:
        give_up_s = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() > give_up_s or self._sender_done:
                return condition()
            time.sleep(_POLL_S)
        return True

    # ---- The monitor ---------------------------------------------------------------------------------------------

    def _watch(self) -> None:
        if not self.queue.words[at.WORD_HEAD]:
            self._nap(_FRAMES_ONLY_DELAY_S)
        while not self._sender_done and not self._needs_no_sender():
            self.glance()
            self._nap(self._glance_s)
        _open_lanes.discard(self)

    def _nap(self, duration_s: float) -> None:
        try:
            self._wake.get(timeout=duration_s)
            while True:
                self._wake.get_nowait()
        except queue.Empty:
            pass

    def _needs_no_sender(self) -> bool:
        return self._finished and self._sender is None and not self.queue.words[at.WORD_HEAD]

    def glance(self) -> None:
        """Starts a sender where one is due, and prints what the present one has to say."""
        if self.queue.forked:
            return
        if self.write_due is not None:
            self.write_due(time.time_ns())
        self._keep_sender()
        self._print_notice()

    def _keep_sender(self) -> None:
        now_s = time.monotonic()
        if self._sender_done:
            return
        if self._sender is not None:
            code = self._sender.poll()
            if code is None:
                return
            self._sender = None
            if code == EXIT_DONE and self.queue.words[at.WORD_CLOSED]:
                self._sender_done = True
                return
            complaint = self._complaint()
            if code == EXIT_CANNOT:
                self._sender_done = True
                _say(f'run "{self.run_id}" is not stored: {complaint}')
                return
            if now_s - self._sender_started_s > _WELL_S:
                self._respawn_s = _RESPAWN_S_MIN
            elif self._respawn_s >= _RESPAWN_S_MAX / 2 and self._respawn_s < _RESPAWN_S_MAX:
                _say(f'run "{self.run_id}": its sender ends again and again ({code}): {complaint}')
            self._respawn_at_s = now_s + self._respawn_s
            self._respawn_s = min(_RESPAWN_S_MAX, 2 * self._respawn_s)
        if now_s >= self._respawn_at_s:
            self._spawn(now_s)

    def _spawn(self, now_s: float) -> None:
        fd = self.queue.fd
        if self._stderr_fd < 0:
            self._stderr_fd = os.memfd_create("telebridge-sender-stderr")
        os.ftruncate(self._stderr_fd, 0)
        os.lseek(self._stderr_fd, 0, os.SEEK_SET)
        package_dir = str(pathlib.Path(__file__).resolve().parents[1])
        commands_fd = self.commands.sender_fd
        arguments = [package_dir, str(fd), str(os.getpid()), str(commands_fd)]
        command = [sys.executable or "python3", "-c", _START_CODE, *arguments]
        environment = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        self._sender_started_s = now_s
        self.commands.tell()
        try:
            self._sender = subprocess.Popen(
                command,
                env=environment,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=self._stderr_fd,
                pass_fds=[fd, commands_fd],
                start_new_session=True,
            )
        except OSError as error:
            self._sender_done = True
            _say(f'run "{self.run_id}" is not stored: cannot start {command[0]}: {error}')

    def _complaint(self) -> str:
        """The last line that a sender wrote before its end."""
        lines = os.pread(self._stderr_fd, 1 << 16, 0).decode(errors="replace").strip().splitlines()
        return lines[-1] if lines else "it said nothing"

    def _print_notice(self) -> None:
        number, text = self.queue.notice()
        if number != self._notices_seen:
            self._notices_seen = number
            _say(text)
        dropped = self.queue.words[at.WORD_ROWS_DROPPED]
        if dropped and not self._dropped_seen:
            _say(
                f'run "{self.run_id}" loses rows: the queue to its sender is full, or has too many names. '
                "They are counted in run.rows_dropped"
            )
        self._dropped_seen = dropped

    def __del__(self) -> None:
        if self._stderr_fd >= 0:
            os.close(self._stderr_fd)
        queue: Optional[QueueWriter] = self.__dict__.get("queue")
        if queue is not None:
            os.close(queue.fd)
        commands: Optional[CommandHandlers] = self.__dict__.get("commands")
        if commands is not None:
            commands.close()
        if self._sender is not None:
            self._sender.returncode = 0  # it goes on by itself: no ResourceWarning


def plain_value(value: Any) -> Any:
    """What json.dumps() makes of arrays, of scalars that are not Python's own, of sets and paths, and of all the rest."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, (set, frozenset, tuple)):
        return list(value)
    if hasattr(value, "item"):
        return value.item()
    return str(value)


def warn_not_stored(run_id: str, missing: List[str]) -> None:
    """The warning stands at the line outside of this package that called it."""
    level = 1
    frame = sys._getframe()
    while frame is not None and frame.f_globals.get("__package__") == __package__:
        frame, level = frame.f_back, level + 1  # type: ignore[assignment]
    warnings.warn(
        f'run "{run_id}" is shown, but nothing of it is stored: {" and ".join(missing)} cannot be imported. '
        f"Install: {INSTALL_HINT}. telebridge.init(..., durable=False) says that this is meant",
        RuntimeWarning,
        stacklevel=level,
    )


def exit_flush_s() -> float:
    """How long the interpreter's exit waits for acknowledgements at most."""
    try:
        return max(0.0, float(os.environ.get("TELEBRIDGE_EXIT_FLUSH_S", _EXIT_FLUSH_S)))
    except ValueError:
        return _EXIT_FLUSH_S


def _say(text: str) -> None:
    try:
        print(f"telebridge: {text}", file=sys.stderr, flush=True)
    except (OSError, ValueError, AttributeError):  # stderr is closed, or None
        pass


def _in_forked_child() -> None:
    for lane in _all_lanes:
        lane.queue.forked = True
    _open_lanes.clear()


def failure_at_exit() -> Optional[Tuple[str, str]]:
    """FAILED and the reason, when an exception that nobody caught ends this program."""
    error = getattr(sys, "last_value", None)
    if error is None or hasattr(sys, "ps1"):
        return None
    return "FAILED", f"{type(error).__name__}: {error}"


def end_all() -> None:
    """At the interpreter's exit: ends all runs, waits a while for their rows to be safe, and says what became of them."""
    lanes = [lane for lane in list(_open_lanes) if not lane.queue.forked]
    state, reason = failure_at_exit() or ("FINISHED", "")
    for lane in lanes:
        lane.finish(state, reason)
    give_up_s = time.monotonic() + exit_flush_s()
    for lane in lanes:
        if not lane.queue.words[at.WORD_HEAD]:
            continue
        lane.await_safety(max(0.0, give_up_s - time.monotonic()))
        lane._print_notice()
        _print_summary(lane)


def _print_summary(lane: Lane) -> None:
    counts = lane.counts()
    words = lane.queue.words
    is_acked = words[at.WORD_COMMITTED_POSITION] >= words[at.WORD_HEAD] and not counts["dropped"]
    if is_acked and os.environ.get("TELEBRIDGE_SUMMARY") != "1":
        return
    _say(
        f'run "{lane.run_id}": {counts["sent"]} rows sent, {counts["acked"]} acked, {counts["spooled"]} spooled, '
        f'{counts["dropped"]} dropped'
    )


os.register_at_fork(after_in_child=_in_forked_child)
atexit.register(end_all)
