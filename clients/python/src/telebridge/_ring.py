"""The run's shared memory: opened when the first picture tells its size, opened anew when pictures outgrow it."""

from __future__ import annotations

import ctypes
import errno
import os
import threading
import warnings
import weakref
from typing import List, Optional

from ._library import (
    OWNER_ALIVE,
    Controls,
    Frame,
    Hud,
    InputRecord,
    ProducerOptions,
    RunExistsError,
    Status,
    TelebridgeError,
    library,
)
from ._meter import HudValues
from ._pixels import Picture

_OVERLAY_ALIGNMENT_BYTES = 64
_SLOTS_MIN = 4
# Above this a copy takes long enough for other threads to want the interpreter's lock meanwhile.
_QUICK_BYTES_MAX = 256 * 1024
_RETRY_S = 1.0

_open_rings: "weakref.WeakSet[Ring]" = weakref.WeakSet()


def _in_forked_child() -> None:
    for ring in _open_rings:
        ring.forked = True
        ring.lock = threading.Lock()  # another thread of the parent may have held it at the fork


os.register_at_fork(after_in_child=_in_forked_child)


def refuse_if_alive(run_id: str) -> None:
    """Raises RunExistsError when a live process publishes this run, and TelebridgeError for a bad id."""
    quick = library().quick
    reader = ctypes.c_void_p()
    result = quick.tele_reader_open(run_id.encode(), ctypes.byref(reader))
    if result == -errno.EINVAL:
        raise library().error(result)
    if result < 0:
        return
    try:
        status = Status()
        if quick.tele_reader_status(reader, ctypes.byref(status)) == 0 and status.owner == OWNER_ALIVE:
            raise RunExistsError(
                f'cannot start run "{run_id}": already published by pid {status.producer_pid}; '
                "give this one another name, or end that process"
            )
    finally:
        quick.tele_reader_close(reader)


class Ring:
    """Publishes pictures and numbers. Threads may share it. After the first picture it never raises: what cannot
    be published is counted in ``frames_lost`` and warned of once."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.lock = threading.Lock()
        self.forked = False
        self.frames_published = 0
        self.frames_lost = 0
        self._library = library()
        self._quick = self._library.quick
        self._publish_small = self._quick.tele_producer_publish
        self._producer: Optional[ctypes.c_void_p] = None
        self._payload_bytes_max = 0
        self._retry_at_s = 0.0
        self._warned = False
        self._frame = Frame()
        self._frame_reference = ctypes.byref(self._frame)
        self._hud = Hud()
        self._hud_reference = ctypes.byref(self._hud)
        self._controls = Controls()
        self._controls_reference = ctypes.byref(self._controls)
        self._close_at_exit: Optional["weakref.finalize[..., Ring]"] = None
        _open_rings.add(self)

    def publish(
        self, picture: Picture, overlay: Optional[Picture], step: int, episode: int, reward: float, now_s: float
    ) -> bool:
        """Copies a picture, and its overlay, into the ring. False when it was lost."""
        if self.forked:
            self._lose("a forked child cannot publish: call telebridge.init() in it, with a run id of its own")
            return False
        with self.lock:
            needed = picture.bytes
            if overlay is not None:
                needed += _OVERLAY_ALIGNMENT_BYTES + overlay.bytes
            if needed > self._payload_bytes_max and not self._grow(needed, now_s):
                return False
            frame = self._frame
            frame.pixels = picture.address
            frame.width = picture.width
            frame.height = picture.height
            frame.format = picture.format
            frame.stride = picture.stride
            frame.step = step
            frame.episode = episode
            frame.reward = reward
            if overlay is None:
                frame.overlay = None
                frame.overlay_width = frame.overlay_height = 0
            else:
                frame.overlay = overlay.address
                frame.overlay_width = overlay.width
                frame.overlay_height = overlay.height
            publish = self._publish_small if needed <= _QUICK_BYTES_MAX else self._library.publish_large
            result = publish(self._producer, self._frame_reference)
            if result < 0:
                self._lose(str(self._library.error(result)))
                return False
            self.frames_published += 1
            return True

    def takes_turn(self) -> bool:
        """False when a picture now would be more than the viewer's cap on pictures per second allows."""
        with self.lock:
            if self._producer is None or self.forked:
                return True
            return bool(self._quick.tele_producer_wants_frame(self._producer))

    def set_hud(self, values: HudValues) -> None:
        """Shows these numbers; before the first picture they wait for it."""
        with self.lock:
            Hud.__init__(self._hud, *values)  # fills the struct in one call
            if self._producer is not None and not self.forked:
                self._quick.tele_producer_set_hud(self._producer, self._hud_reference)

    def may_go_on(self) -> bool:
        """False while a viewer has the run paused. A True that a single step allowed is used up by it."""
        with self.lock:
            if self._producer is None or self.forked:
                return True
            return bool(self._quick.tele_producer_gate(self._producer, 0))

    def pause_requested(self) -> bool:
        with self.lock:
            if self._producer is None or self.forked:
                return False
            self._quick.tele_producer_controls(self._producer, self._controls_reference)
            return bool(self._controls.pause_requested)

    def take_inputs(self) -> List[InputRecord]:
        """All events that wait, oldest first."""
        records: List[InputRecord] = []
        with self.lock:
            if self._producer is None or self.forked:
                return records
            while True:
                record = InputRecord()
                if self._quick.tele_producer_next_input(self._producer, ctypes.byref(record)) != 1:
                    return records
                records.append(record)

    def close(self) -> None:
        """Unlinks the shared memory; in a forked child it stays the parent's."""
        with self.lock:
            self._payload_bytes_max = 0
            self._producer = None
            if self._close_at_exit is not None:
                self._close_at_exit()
                self._close_at_exit = None

    def _grow(self, payload_bytes: int, now_s: float) -> bool:
        """Opens a ring for pictures of this size in place of the present one. Only the first one may raise."""
        is_first = self.frames_published == 0
        if not is_first and now_s < self._retry_at_s:
            self.frames_lost += 1
            return False
        self._payload_bytes_max = 0
        self._producer = None
        if self._close_at_exit is not None:
            self._close_at_exit()
        try:
            self._producer = _open_producer(self.run_id, payload_bytes)
        except TelebridgeError as error:
            if is_first:
                raise
            self._retry_at_s = now_s + _RETRY_S
            self._lose(str(error))
            return False
        self._close_at_exit = weakref.finalize(self, self._quick.tele_producer_close, self._producer)
        self._quick.tele_producer_set_hud(self._producer, self._hud_reference)
        self._payload_bytes_max = payload_bytes
        return True

    def _lose(self, why: str) -> None:
        self.frames_lost += 1
        if not self._warned:
            self._warned = True
            warnings.warn(f'run "{self.run_id}" loses pictures: {why}', RuntimeWarning, stacklevel=5)


def _open_producer(run_id: str, payload_bytes: int) -> ctypes.c_void_p:
    """A ring as deep as the library likes it, or as /dev/shm allows: containers often have 64 MiB of it in all."""
    slots = 0  # the library's own choice, at most 64
    while True:
        options = ProducerOptions(payload_bytes, slots)
        producer = ctypes.c_void_p()
        result = library().quick.tele_producer_open(run_id.encode(), ctypes.byref(options), ctypes.byref(producer))
        if result == 0:
            return producer
        if result != -errno.ENOSPC or slots == _SLOTS_MIN:
            raise library().error(result)
        slots = max(_SLOTS_MIN, slots // 2) if slots else 16
