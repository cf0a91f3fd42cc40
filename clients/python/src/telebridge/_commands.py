"""Named commands of viewers: the sender hears them, and the trainer answers, by a pair of sockets between the two.

Packets are JSON lists. Trainer to sender: ``["names", [name, ...]]`` and ``["reply", key, ok, result_json]``; sender to
trainer: ``["command", key, name, args_json]``. A packet that finds no room is refused, never waited for. Keys are the
sender's; a reply whose sender or connection is gone is dropped.
"""

from __future__ import annotations

import json
import secrets
import socket
import threading
from typing import Any, Callable, Dict, List, Optional, Tuple

CommandHandler = Callable[[Any], Any]
#: Whether it went well, and the handler's result as JSON, or a message for people as it is.
Answer = Callable[[bool, str], None]

COMMANDS_MAX = 64
NAME_CHARS_MAX = 128
# The server's limit.
_RESULT_CHARS_MAX = 64 * 1024
_PACKET_BYTES_MAX = 1 << 20
# Between two looks at what came, one call of run.frame() answers so many.
_ANSWERS_MAX = 16


def _send(end: socket.socket, packet: List[Any]) -> bool:
    try:
        end.send(json.dumps(packet).encode(), socket.MSG_DONTWAIT)
        return True
    except OSError:  # full, too large, or nobody is there
        return False


class CommandHandlers:
    """The trainer's side. ``sender_fd`` is for its senders, one after another."""

    def __init__(self) -> None:
        self._end, self._senders = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._handlers: Dict[str, CommandHandler] = {}
        self._turn = threading.Lock()

    @property
    def sender_fd(self) -> int:
        return self._senders.fileno()

    def add(self, name: str, handler: CommandHandler) -> None:
        """Raises ValueError."""
        chars = len(name.encode("utf-16-le")) // 2  # as the server counts
        if not 1 <= chars <= NAME_CHARS_MAX:
            raise ValueError(f"run.on_command: the name has {chars} characters, expected 1 to {NAME_CHARS_MAX}")
        is_new = name not in self._handlers
        if is_new and len(self._handlers) >= COMMANDS_MAX:
            raise ValueError(f"run.on_command: {name!r} is one too many, at most {COMMANDS_MAX}")
        self._handlers[name] = handler
        if is_new:
            self.tell()

    def tell(self) -> None:
        """Says the names, to a sender that does not know them."""
        if self._handlers:
            _send(self._end, ["names", list(self._handlers)])

    def answer(self, plain: Callable[[Any], Any]) -> None:
        """Calls the handlers of what has come, in the calling thread; nothing while another call does so already.
        `plain` is json.dumps()'s `default`. Raises what a handler raises that is no Exception, such as SystemExit."""
        if not self._handlers or not self._turn.acquire(False):
            return
        try:
            for _ in range(_ANSWERS_MAX):
                try:
                    packet = self._end.recv(_PACKET_BYTES_MAX, socket.MSG_DONTWAIT)
                except OSError:
                    return
                _, key, name, args_json = json.loads(packet)
                ok, result_json = self._call(name, args_json, plain)
                if not _send(self._end, ["reply", key, ok, result_json]):
                    _send(self._end, ["reply", key, False, "the reply is too large"])
        finally:
            self._turn.release()

    def _call(self, name: str, args_json: str, plain: Callable[[Any], Any]) -> Tuple[bool, str]:
        handler = self._handlers.get(name)
        if handler is None:
            return False, f"this worker has no command {name!r}"
        try:
            result_json = json.dumps(handler(json.loads(args_json or "null")), default=plain, allow_nan=False)
        except Exception as error:
            return False, f"{type(error).__name__}: {error}"[:1000]
        if len(result_json) > _RESULT_CHARS_MAX:
            return False, f"the result has over {_RESULT_CHARS_MAX} characters"
        return True, result_json

    def close(self) -> None:
        self._end.close()
        self._senders.close()


class CommandDesk:
    """The sender's side. `on_names` is called from its thread when the trainer's names have changed."""

    def __init__(self, fd: int) -> None:
        self._end = socket.socket(fileno=fd)
        self._lock = threading.Lock()
        self._waiting: Dict[int, Answer] = {}
        # Not from 0: a reply to a sender before this one may still be on its way.
        self._keys = secrets.randbits(48)
        self.names: List[str] = []
        self.on_names: Optional[Callable[[], None]] = None
        threading.Thread(target=self._receive, name="commands", daemon=True).start()

    def hand(self, name: str, args_json: str, answer: Answer) -> None:
        """Hands a command to the trainer; `answer` is called from this object's thread, or at once where it cannot be."""
        with self._lock:
            self._keys += 1
            key = self._keys
            self._waiting[key] = answer
            if len(self._waiting) > COMMANDS_MAX:
                del self._waiting[min(self._waiting)]  # the server has given it up: it waits for 10 s
        if not _send(self._end, ["command", key, name, args_json]):
            with self._lock:
                self._waiting.pop(key, None)
            answer(False, "the training takes no commands: it has ended, or has many to answer")

    def _receive(self) -> None:
        while True:
            try:
                packet = self._end.recv(_PACKET_BYTES_MAX)
            except OSError:
                return
            if not packet:
                return  # the trainer has ended
            what, *rest = json.loads(packet)
            if what == "names":
                if rest[0] != self.names:
                    self.names = rest[0]
                    on_names = self.on_names
                    if on_names is not None:
                        on_names()
                continue
            key, ok, result_json = rest
            with self._lock:
                answer = self._waiting.pop(key, None)
            if answer is not None:
                answer(ok, result_json)
