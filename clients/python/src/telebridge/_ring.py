"""The run's shared memory: opened when the first picture tells its size, opened anew when pictures outgrow it."""

from __future__ import annotations

import atexit
import collections
import ctypes
import errno
import functools
import os
import threading
import time
import warnings
import weakref
from typing import Any, Callable, Deque, List, Optional, Tuple, TypeVar, Union, cast

from ._library import (
    FLAG_OWNER_LOCK,
    OWNER_ALIVE,
    Controls,
    CudaFrame,
    CudaOptions,
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
from ._tensors import CudaPicture

_FORKED = "a forked child cannot publish: call telebridge.init() in it, with a run id of its own"
_OVERLAY_ALIGNMENT_BYTES = 64
_SLOTS_MIN = 4
# Behind a picture on a GPU that was taken, the one two before it has been read (tele_cuda_publish).
_CUDA_OWNERS = 2
# Above this a copy takes long enough for other threads to want the interpreter's lock meanwhile.
_QUICK_BYTES_MAX = 256 * 1024
_RETRY_S = 1.0
# A server that removes a dead run holds its lock for microseconds, and the run looks alive for that long.
_REMOVAL_S = 0.1
_REMOVAL_NAP_S = 0.005

_open_rings: "weakref.WeakSet[Ring]" = weakref.WeakSet()


def _in_forked_child() -> None:
    for ring in _open_rings:
        ring.forked = True
        ring.lock = threading.RLock()  # another thread of the parent may have held it at the fork


def _at_exit() -> None:
    """Daemon threads still run: their rings are closed in turn, between two pictures."""
    for ring in list(_open_rings):
        ring.close()


os.register_at_fork(after_in_child=_in_forked_child)
atexit.register(_at_exit)


def refuse_if_alive(run_id: str, sleep: Callable[[float], None] = time.sleep) -> None:
    """Raises RunExistsError when a live process publishes this run, and TelebridgeError for a bad id."""
    give_up_s = time.monotonic() + _REMOVAL_S
    while True:
        status = _status_of(run_id)
        if status is None or status.owner != OWNER_ALIVE:
            return
        exists = _process_exists(status.producer_pid)
        if not exists and not status.flags & FLAG_OWNER_LOCK:
            return  # dead, or of another pid namespace: tele_producer_open() watches it for 10 s, and then knows
        if exists or time.monotonic() > give_up_s:
            raise RunExistsError(
                f'cannot start run "{run_id}": already published by pid {status.producer_pid}; '
                "give this one another name, or end that process"
            )
        sleep(_REMOVAL_NAP_S)


def _status_of(run_id: str) -> Optional[Status]:
    """How a run is; None when there is none that can be read."""
    patient = library().patient
    reader = ctypes.c_void_p()
    result = patient.tele_reader_open(run_id.encode(), ctypes.byref(reader))
    if result == -errno.EINVAL:
        raise library().error(result)
    if result < 0:
        return None
    try:
        status = Status()
        return status if patient.tele_reader_status(reader, ctypes.byref(status)) == 0 else None
    finally:
        patient.tele_reader_close(reader)


def _process_exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, OverflowError):  # the number comes from shared memory, and may be none of a process
        return False
    except PermissionError:
        pass
    return True


_Method = TypeVar("_Method", bound=Callable[..., Any])


def _in_turn(method: _Method) -> _Method:
    """Lets one thread at a time into the ring's methods, and makes up for a :meth:`Ring.close` that came meanwhile."""

    @functools.wraps(method)
    def take_turn(ring: Ring, *arguments: Any) -> Any:
        try:
            with ring.lock:
                return method(ring, *arguments)
        finally:
            if ring.closed and ring.is_open:
                ring.close()

    return cast(_Method, take_turn)


class Ring:
    """Publishes pictures and numbers. Threads may share it, and so may signal handlers and finalizers, which run
    amid other calls of their thread. After the first picture it never raises: what cannot be published is counted in
    ``frames_lost`` and warned of once."""

    def __init__(self, run_id: str) -> None:
        self.run_id = run_id
        self.lock = threading.RLock()
        self.forked = False
        self.closed = False
        self.frames_published = 0
        self.frames_lost = 0
        self.frames_skipped = 0
        self._library = library()
        self._quick = self._library.quick
        self._publish_small = self._quick.tele_producer_publish
        self._publish_large = self._library.patient.tele_producer_publish
        self._producer: Optional[ctypes.c_void_p] = None
        self._payload_bytes_max = 0
        # A ring for pictures on this device and of this width and height, in place of one for copies.
        self._cuda: Optional[ctypes.c_void_p] = None
        self._cuda_place: Optional[Tuple[int, int, int]] = None
        self._cuda_owners: Deque[object] = collections.deque(maxlen=_CUDA_OWNERS)
        self._publishing = False
        self._retry_at_s = 0.0
        self._warned = False
        self._frame = Frame()
        self._frame_reference = ctypes.byref(self._frame)
        self._hud = Hud()
        self._hud_reference = ctypes.byref(self._hud)
        self._controls = Controls()
        self._controls_reference = ctypes.byref(self._controls)
        self._finalizer: Optional["weakref.finalize[..., Ring]"] = None
        _open_rings.add(self)

    @property
    def is_open(self) -> bool:
        """Whether the run has shared memory now."""
        return self._producer is not None

    @_in_turn
    def publish(
        self,
        picture: Union[Picture, CudaPicture],
        overlay: Optional[Picture],
        step: int,
        episode: int,
        reward: float,
        now_s: float,
    ) -> bool:
        """Copies a picture, and its overlay, into the ring, or has it encoded where it is. False when it was lost or
        skipped, or came after the close."""
        if self.closed:
            return False
        if self.forked:
            return self._lose(_FORKED)
        if self._publishing:
            return self._lose("a signal handler or a finalizer gave one while its thread was publishing another")
        try:
            self._publishing = True
            if isinstance(picture, CudaPicture):
                return self._encode(picture, step, episode, reward, now_s)
            needed = picture.bytes
            if overlay is not None:
                needed += _OVERLAY_ALIGNMENT_BYTES + overlay.bytes
            if needed > self._payload_bytes_max:
                if now_s < self._retry_at_s:
                    self.frames_lost += 1
                    return False
                self._grow(needed, now_s)
            self._copy(picture, overlay, step, episode, reward, needed)
        except TelebridgeError as error:
            if self.frames_published == 0:
                raise
            return self._lose(str(error))
        finally:
            self._publishing = False
        self.frames_published += 1
        return True

    def warn_of_fork(self) -> None:
        """Of rows that a forked child would store; one warning says it for rows and pictures."""
        if not self._warned:
            self._warned = True
            warnings.warn(f'run "{self.run_id}" loses rows: {_FORKED}', RuntimeWarning, stacklevel=6)

    @_in_turn
    def takes_turn(self) -> bool:
        """False when a picture now would be more than the viewer's cap on pictures per second allows."""
        if self._producer is None or self.forked:
            return True
        return bool(self._quick.tele_producer_wants_frame(self._producer))

    @_in_turn
    def set_hud(self, values: HudValues) -> None:
        """Shows these numbers; before the first picture they wait for it."""
        Hud.__init__(self._hud, *values)  # fills the struct in one call
        if self._producer is not None and not self.forked:
            self._quick.tele_producer_set_hud(self._producer, self._hud_reference)

    @_in_turn
    def may_go_on(self) -> bool:
        """False while a viewer has the run paused. A True that a single step allowed is used up by it."""
        if self._producer is None or self.forked:
            return True
        return bool(self._quick.tele_producer_gate(self._producer, 0))

    @_in_turn
    def pause_requested(self) -> bool:
        if self._producer is None or self.forked:
            return False
        self._quick.tele_producer_controls(self._producer, self._controls_reference)
        return bool(self._controls.pause_requested)

    @_in_turn
    def take_inputs(self) -> List[InputRecord]:
        """All events that wait, oldest first."""
        records: List[InputRecord] = []
        if self._producer is None or self.forked:
            return records
        while True:
            record = InputRecord()
            if self._quick.tele_producer_next_input(self._producer, ctypes.byref(record)) != 1:
                return records
            records.append(record)

    def close(self) -> None:
        """Unlinks the shared memory, for good; in a forked child it stays the parent's. A signal handler or a finalizer
        amid another call of its thread only asks for it: that call uses the memory still, and closes at its end."""
        self.closed = True
        if self.lock._is_owned():  # type: ignore[attr-defined]  # what threading.Condition asks of an RLock
            return
        with self.lock:
            self._release()

    def _grow(self, payload_bytes: int, now_s: float) -> None:
        """Opens a ring for pictures of this size in place of the present one. Raises TelebridgeError."""
        self._release()
        try:
            producer = _open_producer(self.run_id, payload_bytes)
        except TelebridgeError:
            if self.frames_published > 0:
                self._retry_at_s = now_s + _RETRY_S
            raise
        self._keep(producer, self._library.patient.tele_producer_close, producer)
        self._payload_bytes_max = payload_bytes

    def _keep(self, producer: ctypes.c_void_p, close: Callable[..., None], handle: ctypes.c_void_p) -> None:
        self._producer = producer
        self._finalizer = weakref.finalize(self, close, handle)
        self._finalizer.atexit = False  # where another thread may be publishing, hence _at_exit()
        self._quick.tele_producer_set_hud(producer, self._hud_reference)

    def _encode(self, picture: CudaPicture, step: int, episode: int, reward: float, now_s: float) -> bool:
        """Publishes a picture in a GPU's memory. Raises TelebridgeError."""
        place = (picture.device, picture.width, picture.height)
        if place != self._cuda_place:
            if now_s < self._retry_at_s:
                self.frames_lost += 1
                return False
            self._open_cuda(place, now_s)
        frame = CudaFrame(
            address=picture.address,
            stream=picture.stream,
            step=step,
            episode=episode,
            reward=reward,
            format=picture.format,
            pitch=picture.pitch,
        )
        result = self._library.patient.tele_cuda_publish(self._cuda, ctypes.byref(frame))
        if result < 0:
            error = self._library.error(result)
            if result != -errno.EINVAL:  # for good, and perhaps not for the next one
                self._release()
                self._retry_at_s = now_s + _RETRY_S
            raise error
        if result == 0:
            self.frames_skipped += 1
            return False
        self._cuda_owners.append(picture.owner)
        self.frames_published += 1
        return True

    def _open_cuda(self, place: Tuple[int, int, int], now_s: float) -> None:
        """Opens a ring for pictures of that place in place of the present one. Raises TelebridgeError."""
        if not self._library.has_cuda:
            raise TelebridgeError(
                f'run "{self.run_id}" cannot show a picture on a GPU: {self._library.path} was built without encoders, '
                "as the source distribution's is; install a wheel, or show picture.cpu()"
            )
        self._release()
        device, width, height = place
        options = CudaOptions(width=width, height=height, device=device)
        cuda = ctypes.c_void_p()
        patient = self._library.patient
        result = patient.tele_cuda_open(self.run_id.encode(), ctypes.byref(options), ctypes.byref(cuda))
        if result < 0:
            error = self._library.error(result)
            if self.frames_published > 0:
                self._retry_at_s = now_s + _RETRY_S
            raise error
        self._keep(ctypes.c_void_p(patient.tele_cuda_producer(cuda)), patient.tele_cuda_close, cuda)
        self._cuda, self._cuda_place = cuda, place

    def _copy(
        self, picture: Picture, overlay: Optional[Picture], step: int, episode: int, reward: float, payload_bytes: int
    ) -> None:
        """Publishes a picture that fits. Raises TelebridgeError."""
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
        publish = self._publish_small if payload_bytes <= _QUICK_BYTES_MAX else self._publish_large
        result = publish(self._producer, self._frame_reference)
        if result < 0:
            raise self._library.error(result)

    def _release(self) -> None:
        self._producer = self._cuda = self._cuda_place = None
        self._payload_bytes_max = 0
        # Detached and not called, since weakref calls none any more once its own part of the exit is over.
        detached = None if self._finalizer is None else self._finalizer.detach()
        if detached is not None:
            _, close, handle, _ = detached
            close(*handle)
        self._cuda_owners.clear()

    def _lose(self, why: str) -> bool:
        """Counts a picture as lost, and says so once. Always False."""
        self.frames_lost += 1
        if not self._warned:
            self._warned = True
            # From here over publish(), take_turn(), Run._publish() and Run.frame() to its caller.
            warnings.warn(f'run "{self.run_id}" loses pictures: {why}', RuntimeWarning, stacklevel=6)
        return False


def _open_producer(run_id: str, payload_bytes: int) -> ctypes.c_void_p:
    """A ring as deep as the library likes it, or as /dev/shm allows: containers often have 64 MiB of it in all."""
    slots = 0  # the library's own choice, at most 64
    while True:
        options = ProducerOptions(payload_bytes, slots)
        producer = ctypes.c_void_p()
        result = library().patient.tele_producer_open(run_id.encode(), ctypes.byref(options), ctypes.byref(producer))
        if result == 0:
            return producer
        if result != -errno.ENOSPC or slots == _SLOTS_MIN:
            raise library().error(result)
        slots = max(_SLOTS_MIN, slots // 2) if slots else 16
