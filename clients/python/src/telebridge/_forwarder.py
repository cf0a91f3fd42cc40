"""Shows a run to a server that does not see its ring: on another machine, in another container, or after somebody has
deleted it. Part of the sender process.

One control stream tells the server where the ring is and estimates the offset between the clocks. While the server
wants pictures, they are read from the ring, encoded and sent, the newest only and few at a time; and what viewers say
(pause, rate cap, keys, pointers) is written into the ring, so that the trainer honours it as it does a local viewer's.
While nobody watches, this is asleep but for two glances a second.
"""

from __future__ import annotations

import collections
import functools
import os
import pathlib
import queue
import threading
import time
from typing import Any, Callable, Deque, Iterator, List, Optional, Sequence, Tuple

import grpc

from ._clock_offset import ClockOffset
from ._commands import CommandDesk
from ._library import OWNER_ALIVE, Hud, Library
from ._protocol import message_class, method
from ._reading import (
    EVENT_CLOSED,
    EVENT_DEAD,
    EVENT_FAULT,
    EVENT_NO_ENCODER,
    FLAG_PAUSED,
    FORMAT_H264,
    FORMAT_JPEG,
    FRAME_KEYFRAME,
    OUTPUT_H264,
    OUTPUT_JPEG,
    Hub as RingHub,
    RingController,
    RingReader,
    SlotHeader,
    VideoStream,
    can_encode,
    picture_bytes,
)

_SHM = pathlib.Path("/dev/shm")
_BOOT_ID = pathlib.Path("/proc/sys/kernel/random/boot_id")
# Encoding such a picture costs more than it saves; the server's own limit.
_RAW_PIXELS_MAX = 256 * 256
_GLANCE_S = 0.5
_BUSY_WAIT_MS = 100
_PING_S = 1.0
_PING_IDLE_S = 5.0
_FIRST_PINGS = 4
_FIRST_PING_S = 0.05
_RETRY_S = 1.0
# Calls that were half-closed are given so long to end.
_GOODBYE_S = 1.0
# Until the server says how many.
_WINDOW_FIRST = 1
# Input that waits for this process's own loop; the oldest goes, and it ends with the trainer's own limit anyway.
_INPUTS_WAITING_MAX = 64

_ControlRequest = message_class("ControlStreamRequest")
_FramesRequest = message_class("PublishFramesRequest")


class _RingWatch:
    """The run's segment, kept mapped while its trainer lives, though its name be gone."""

    def __init__(self, library: Library, run_id: str) -> None:
        self._library = library
        self._run_id = run_id
        self._path = _SHM / f"mosaic.run.{run_id}.fastlane"
        self._inode = (0, 0)
        self.reader: Optional[RingReader] = None
        self.lock = threading.Lock()

    def look(self, release: Callable[[], None]) -> bool:
        """Whether the segment is another one than before; `release` is called before one is closed."""
        reader = self.reader
        over = reader is not None and (not reader.look() or reader.status.owner != OWNER_ALIVE)
        try:
            found = os.stat(self._path)
            inode = (found.st_dev, found.st_ino)
        except OSError:
            inode = None
        if not over and (inode is None or inode == self._inode):
            return False
        changed = reader is not None and over
        if reader is not None and over:
            release()
            reader.remove_if_dead()  # where there is no server that does so
            reader.close()
            self.reader, self._inode = None, (0, 0)
        if inode is None or inode == self._inode:
            return changed
        opened = RingReader.open(self._library, self._run_id)
        if opened is None:
            return changed
        if not opened.look() or opened.status.owner != OWNER_ALIVE or opened.status.inode != inode[1]:
            opened.close()
            return changed
        if self.reader is not None:
            release()
            self.reader.close()
        self.reader, self._inode = opened, inode
        return True

    def describe(self, identity: Any) -> None:
        """Fills a RingIdentity in."""
        identity.boot_id = _BOOT_ID.read_text().strip()
        identity.device, identity.inode = self._inode
        identity.epoch_ns = 0 if self.reader is None else self.reader.status.epoch_ns


@functools.lru_cache(maxsize=None)
def _ring_watch(library: Library, run_id: str) -> _RingWatch:
    """One for the process: a connection may be lost while the ring's name is."""
    return _RingWatch(library, run_id)


class _FramesCall:
    """One call of PublishFrames."""

    def __init__(
        self, channel: Any, metadata: Any, run_id: str, stream_id: bytes, on_answer: Callable[[], None]
    ) -> None:
        self._requests: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self._on_answer = on_answer
        self._sent = 0
        self._taken = 0
        self._window = _WINDOW_FIRST
        self.over = False
        opening = _FramesRequest()
        opening.open.run_id, opening.open.stream_id = run_id, stream_id
        self._requests.put(opening)
        call = method(channel, "PublishService", "PublishFrames")
        self._answers = call(iter(self._requests.get, None), metadata=metadata)
        self._thread = threading.Thread(target=self._receive, name="telebridge-frames", daemon=True)
        self._thread.start()

    @property
    def has_room(self) -> bool:
        return not self.over and self._sent - self._taken < self._window

    def send(self, header: SlotHeader, payload: memoryview, hud: Optional[Hud]) -> None:
        self._sent += 1
        request = _FramesRequest()
        frame = request.frame
        frame.number = self._sent
        frame.step, frame.episode, frame.reward = header.step, header.episode, header.reward
        frame.time_mono_ns, frame.time_unix_ns = header.t_mono_ns, header.t_real_ns
        frame.width, frame.height = header.width, header.height
        frame.format, frame.stride = header.format, header.stride
        frame.keyframe = bool(header.flags & FRAME_KEYFRAME)
        frame.payload = bytes(payload[: picture_bytes(header)])
        if header.overlay_bytes:
            end = header.overlay_offset + header.overlay_bytes
            frame.overlay.width, frame.overlay.height = header.overlay_width, header.overlay_height
            frame.overlay.heat = bytes(payload[header.overlay_offset : end])
        if hud is not None:
            for name, _ in Hud._fields_:
                setattr(frame.hud, name, getattr(hud, name))
        self._requests.put(request)

    def _receive(self) -> None:
        try:
            for answer in self._answers:
                self._taken, self._window = answer.taken, max(1, answer.frames_in_flight_max)
                self._on_answer()
        except grpc.RpcError:
            pass
        self.over = True
        self._on_answer()

    def close(self) -> None:
        """Half-closes the call, and waits a moment for its end."""
        self.over = True
        self._requests.put(None)
        self._thread.join(_GOODBYE_S)


class _Pump:
    """Takes pictures out of the ring for one call: raw where they are small, encoded where not."""

    def __init__(self, library: Library, reader: RingReader, controller: Optional[RingController]) -> None:
        self._library = library
        self._reader = reader
        self._controller = controller
        self._hub = RingHub(library)
        self._wake_lock = threading.Lock()
        self._closed = False
        self._stream: Optional[VideoStream] = None
        self._encodes = False
        self._last_frame = 0
        self.over = False
        header = reader.newest_header()
        if header is None or self._goes_raw(header):
            self._hub.add(reader, controller)
        else:
            self._open_stream(header)

    def _goes_raw(self, header: SlotHeader) -> bool:
        return _is_small(header) or not can_encode(self._library)

    def _open_stream(self, header: SlotHeader) -> None:
        self._encodes = header.format not in (FORMAT_H264, FORMAT_JPEG)
        outputs = OUTPUT_JPEG if header.format == FORMAT_JPEG else OUTPUT_H264
        self._stream = VideoStream(self._library, self._hub, self._reader, self._controller, outputs)

    def wake(self) -> None:
        """From any thread: :meth:`step` returns at once."""
        with self._wake_lock:
            if not self._closed:
                self._hub.wake()

    def request_keyframe(self) -> None:
        if self._stream is not None:
            self._stream.request_keyframe()

    def step(self, call: _FramesCall) -> None:
        """Waits for a moment, and sends what there is."""
        if self._stream is None and call.has_room:
            self._hub.arm(self._last_frame)
        for event in self._hub.next(_BUSY_WAIT_MS):
            if event.kind in (EVENT_CLOSED, EVENT_DEAD, EVENT_FAULT):
                self.over = True
            elif event.kind == EVENT_NO_ENCODER and self._stream is not None and self._encodes:
                self._stream.make(OUTPUT_JPEG)
        if self._stream is None:
            self._send_raw(call)
        else:
            self._send_packets(call, self._stream)

    def _send_raw(self, call: _FramesCall) -> None:
        if not call.has_room:
            return
        header = self._reader.newest_header()
        if header is None or header.frame <= self._last_frame:
            return
        if not self._goes_raw(header):
            self._hub.remove()
            self._open_stream(header)
            return
        found = self._reader.read_newest(self._last_frame)
        if found is not None:
            self._last_frame = found[0].frame
            call.send(*found, self._reader.hud())

    def _send_packets(self, call: _FramesCall, stream: VideoStream) -> None:
        while call.has_room:
            packet = stream.take()
            if packet is None:
                return
            header, payload = packet
            call.send(header, payload, self._reader.hud())
            if self._encodes and header.width * header.height <= _RAW_PIXELS_MAX:
                self.over = True  # the pictures became small: begun anew, they go raw

    def close(self) -> None:
        with self._wake_lock:
            self._closed = True
        if self._stream is not None:
            self._stream.close()
        else:
            self._hub.remove()
        self._hub.close()


def _is_small(header: SlotHeader) -> bool:
    return header.format not in (FORMAT_H264, FORMAT_JPEG) and header.width * header.height <= _RAW_PIXELS_MAX


class Forwarder:
    """One connection's control stream, and the thread that does what it asks for."""

    def __init__(
        self,
        channel: Any,
        metadata: Any,
        run_id: str,
        stream_id: bytes,
        library: Library,
        commands: CommandDesk,
    ) -> None:
        self._channel = channel
        self._metadata = metadata
        self._run_id = run_id
        self._stream_id = stream_id
        self._library = library
        self._commands = commands
        self._names_told: List[str] = []
        self._watch = _ring_watch(library, run_id)
        self._clock = ClockOffset()
        self._requests: "queue.SimpleQueue[Any]" = queue.SimpleQueue()
        self._control_lost = False
        self._control_retry_s = 0.0
        self._control_thread: Optional[threading.Thread] = None
        self._stopped = False
        self._wake = threading.Event()
        self._thread: Optional[threading.Thread] = None
        # What the server asks for; written by the thread that receives.
        self._publishes = False
        self._pause = False
        self._rate_max_mhz = 0
        self._keyframe_requests = 0
        self._inputs: Deque[bytes] = collections.deque(maxlen=_INPUTS_WAITING_MAX)
        # What was done of it; of the thread that works.
        self._controller: Optional[RingController] = None
        self._applied: Tuple[bool, int] = (False, 0)
        self._keyframes_done = 0
        self._pump: Optional[_Pump] = None
        self._call: Optional[_FramesCall] = None
        self._call_retry_s = 0.0
        self._paused_told = False
        self._glance_due_s = 0.0
        self._ping_due_s = 0.0
        self._pings = 0

    def start(self) -> None:
        self._commands.on_names = self._rouse
        self._thread = threading.Thread(target=self._run, name="telebridge-forwarder", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Lets go of the ring's control words, and half-closes the calls. Waits for as long as a frame takes, and a
        moment for the calls' ends."""
        self._commands.on_names = None
        self._stopped = True
        self._rouse()
        if self._thread is not None:
            self._thread.join()

    # ---- The control stream --------------------------------------------------------------------------------------

    def _open_control(self) -> None:
        """A new stream: the server's estimate of the clocks begins anew, and so do its counts."""
        self._end_control()
        self._requests = queue.SimpleQueue()
        self._control_lost = False
        self._pings, self._ping_due_s, self._paused_told = 0, 0.0, False
        hello = _ControlRequest()
        hello.hello.run_id, hello.hello.stream_id = self._run_id, self._stream_id
        self._names_told = self._commands.names
        hello.hello.commands.extend(self._names_told)
        self._watch.describe(hello.hello.ring)
        self._requests.put(hello)
        call = method(self._channel, "ControlService", "ControlStream")
        answers = call(iter(self._requests.get, None), metadata=self._metadata, wait_for_ready=True)
        self._control_thread = threading.Thread(
            target=self._receive, args=(answers, self._requests), name="telebridge-control", daemon=True
        )
        self._control_thread.start()

    def _end_control(self) -> None:
        """Half-closes the stream and waits a moment for its end, which the channel would otherwise cut off."""
        self._requests.put(None)
        if self._control_thread is not None:
            self._control_thread.join(_GOODBYE_S)

    def _receive(self, answers: Iterator[Any], requests: "queue.SimpleQueue[Any]") -> None:
        try:
            for answer in answers:
                self._take(answer, requests)
        except grpc.RpcError:
            pass  # the server is away, or has been started anew
        if requests is not self._requests:
            return  # another stream has taken its place
        self._publishes = self._pause = False
        self._control_retry_s = time.monotonic() + _RETRY_S
        self._control_lost = True
        self._rouse()

    def _take(self, answer: Any, requests: "queue.SimpleQueue[Any]") -> None:
        kind = answer.WhichOneof("message")
        if kind == "pong":
            pong = answer.pong
            self._clock.add(
                pong.sent_mono_ns, pong.received_mono_ns, pong.answered_mono_ns, time.monotonic_ns()
            )
            return
        if kind == "route":
            self._publishes = answer.route.publish_frames
        elif kind == "pause":
            self._pause = answer.pause
        elif kind == "rate_max_mhz":
            self._rate_max_mhz = answer.rate_max_mhz
        elif kind == "keyframe_requests":
            self._keyframe_requests = answer.keyframe_requests
        elif kind == "inputs":
            self._inputs.append(answer.inputs.events)
        elif kind == "command":
            self._command(answer.command, requests)
            return
        else:
            return
        self._rouse()

    def _command(self, command: Any, requests: "queue.SimpleQueue[Any]") -> None:
        def reply(ok: bool, result_json: str) -> None:
            request = _ControlRequest()
            request.reply.id, request.reply.ok, request.reply.result_json = command.id, ok, result_json
            requests.put(request)

        self._commands.hand(command.name, command.args_json, reply)

    def _rouse(self) -> None:
        self._wake.set()
        pump = self._pump
        if pump is not None:
            pump.wake()

    # ---- The thread that works -----------------------------------------------------------------------------------

    def _run(self) -> None:
        with self._watch.lock:
            try:
                self._watch.look(self._release)
                self._open_control()
                while not self._stopped:
                    self._glance()
                    self._steer()
                    if not self._show():
                        self._wake.wait(_GLANCE_S if self._pings >= _FIRST_PINGS else _FIRST_PING_S)
                        self._wake.clear()
            finally:
                self._release()
                self._watch.look(self._release)
                self._close_call()
                self._end_control()

    def _glance(self) -> None:
        now_s = time.monotonic()
        if self._control_lost and now_s >= self._control_retry_s:
            self._open_control()
        elif not self._control_lost and self._commands.names != self._names_told:
            self._open_control()  # names are told at its beginning
        if not self._control_lost and now_s >= self._ping_due_s:
            self._ping(now_s)
        if now_s < self._glance_due_s:
            return
        self._glance_due_s = now_s + _GLANCE_S
        if self._watch.look(self._release):
            request = _ControlRequest()
            self._watch.describe(request.ring)
            self._requests.put(request)
        reader = self._watch.reader
        wanted = reader is not None and (self._publishes or self._pause)
        if wanted and self._controller is None:
            self._take_control(reader)
        elif not wanted and self._controller is not None:
            self._release()
        if self._controller is not None:
            self._controller.renew()

    def _ping(self, now_s: float) -> None:
        self._pings += 1
        interval_s = _PING_S if self._publishes else _PING_IDLE_S
        self._ping_due_s = now_s + (interval_s if self._pings > _FIRST_PINGS else _FIRST_PING_S)
        request = _ControlRequest()
        request.ping.sent_mono_ns = time.monotonic_ns()
        offset_ns = self._clock.offset_ns
        if offset_ns is not None:
            request.ping.offset_ns = offset_ns
        self._requests.put(request)

    def _take_control(self, reader: Optional[RingReader]) -> None:
        """Another process may control the run: a server on this machine that sees the ring."""
        assert reader is not None
        controller = RingController.open(self._library, reader)
        if controller is None:
            return
        self._close_pump()  # begun anew, it waits with the controller
        self._controller = controller
        self._applied = (False, 0)

    def _steer(self) -> None:
        controller = self._controller
        reader = self._watch.reader
        if controller is None or reader is None:
            return
        asked = (self._pause, self._rate_max_mhz)
        if asked != self._applied:
            self._applied = asked
            controller.set_pause(asked[0])
            controller.set_rate_max(asked[1])
        while self._inputs:
            controller.send_inputs(self._inputs.popleft())
        if self._pause or self._paused_told:
            paused = reader.look() and bool(reader.status.flags & FLAG_PAUSED)
            if paused != self._paused_told:
                self._paused_told = paused
                self._requests.put(_ControlRequest(paused=paused))

    def _show(self) -> bool:
        """Sends what there is, after waiting for a moment. False where nothing is to be shown."""
        reader = self._watch.reader
        if not self._publishes or reader is None:
            self._close_pump()
            self._close_call()
            return False
        if self._call is not None and self._call.over:
            self._close_pump()
            self._close_call()
            self._call_retry_s = time.monotonic() + _RETRY_S
        if self._call is None:
            if time.monotonic() < self._call_retry_s:
                return False
            self._call = _FramesCall(self._channel, self._metadata, self._run_id, self._stream_id, self._rouse)
        if self._pump is None:
            self._pump = _Pump(self._library, reader, self._controller)
            self._keyframes_done = self._keyframe_requests
        if self._keyframes_done != self._keyframe_requests:
            self._keyframes_done = self._keyframe_requests
            self._pump.request_keyframe()
        self._pump.step(self._call)
        if self._pump.over:
            self._close_pump()
            self._glance_due_s = 0.0
        return True

    def _release(self) -> None:
        """Lets go of the ring: it may be closed after this."""
        self._close_pump()
        controller, self._controller = self._controller, None
        if controller is not None:
            controller.close()

    def _close_pump(self) -> None:
        pump, self._pump = self._pump, None
        if pump is not None:
            pump.close()

    def _close_call(self) -> None:
        call, self._call = self._call, None
        if call is not None:
            call.close()
