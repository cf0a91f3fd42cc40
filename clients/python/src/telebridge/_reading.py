"""The ring's other side: reads a run, controls its worker, encodes its pictures. The sender process uses it to show a
run to a server that does not see its shared memory (``_forwarder.py``); see native/include/telebridge.h for each call.
"""

from __future__ import annotations

import ctypes
import errno
import functools
from ctypes import POINTER, Structure, byref, c_double, c_int, c_uint8, c_uint32, c_uint64, c_void_p
from typing import Any, Dict, List, Optional, Tuple

from ._library import Hud, InputRecord, Library, Status

FORMAT_NV12, FORMAT_I420, FORMAT_H264, FORMAT_JPEG = 5, 6, 16, 17
OUTPUT_H264, OUTPUT_JPEG = 1, 2
EVENT_FRAME, EVENT_CLOSED, EVENT_DEAD, EVENT_FAULT, EVENT_PACKET, EVENT_NO_ENCODER = 1, 2, 3, 4, 7, 9
FLAG_PAUSED, FLAG_CLOSED = 2, 4
FRAME_KEYFRAME = 1
READ_NEWEST = 0
INPUT_BYTES = ctypes.sizeof(InputRecord)

_EVENTS_MAX = 16
_BUFFER_BYTES_FIRST = 256 * 1024


class SlotHeader(Structure):
    _fields_ = [
        ("seq", c_uint64),
        ("frame", c_uint64),
        ("step", c_uint64),
        ("episode", c_uint64),
        ("reward", c_double),
        ("t_mono_ns", c_uint64),
        ("t_real_ns", c_uint64),
        ("width", c_uint32),
        ("height", c_uint32),
        ("format", c_uint32),
        ("stride", c_uint32),
        ("bytes", c_uint32),
        ("flags", c_uint32),
        ("overlay_width", c_uint32),
        ("overlay_height", c_uint32),
        ("overlay_format", c_uint32),
        ("overlay_bytes", c_uint32),
        ("overlay_offset", c_uint32),
        ("reserved", c_uint8 * 28),
    ]


class HubEvent(Structure):
    _fields_ = [
        ("stream_id", c_uint64),
        ("head", c_uint64),
        ("t_mono_ns", c_uint64),
        ("kind", c_uint32),
        ("detail", c_uint32),
    ]


class StreamSettings(Structure):
    _fields_ = [
        ("phase_ns", c_uint64),
        ("period_ns", c_uint64),
        ("interval_min_ns", c_uint64),
        ("outputs", c_uint32),
        ("every_nth", c_uint32),
        ("in_order", c_uint32),
        ("bitrate_kbps", c_uint32),
        ("gop_ms", c_uint32),
        ("fps_mhz", c_uint32),
        ("jpeg_quality", c_uint32),
        ("encoder", c_uint32),
    ]


_HEADER_BYTES = ctypes.sizeof(SlotHeader)

_FUNCTIONS: Dict[str, List[Any]] = {
    "tele_reader_open": [ctypes.c_char_p, POINTER(c_void_p)],
    "tele_reader_status": [c_void_p, POINTER(Status)],
    "tele_reader_read": [c_void_p, c_uint64, c_uint32, c_void_p, c_uint64, POINTER(c_uint64)],
    "tele_reader_begin": [c_void_p, c_uint64, c_uint32, POINTER(SlotHeader), POINTER(c_void_p)],
    "tele_reader_hud": [c_void_p, POINTER(Hud)],
    "tele_reader_remove_stale": [c_void_p],
    "tele_reader_close": [c_void_p],
    "tele_controller_open": [c_void_p, POINTER(c_void_p)],
    "tele_controller_renew": [c_void_p],
    "tele_controller_set_pause": [c_void_p, c_uint32],
    "tele_controller_set_rate_max": [c_void_p, c_uint32],
    "tele_controller_send_inputs": [c_void_p, c_void_p, c_uint32],
    "tele_controller_close": [c_void_p],
    "tele_hub_create": [POINTER(c_void_p)],
    "tele_hub_add": [c_void_p, c_uint64, c_void_p, c_void_p],
    "tele_hub_remove": [c_void_p, c_uint64],
    "tele_hub_arm": [c_void_p, c_uint64, c_uint64, c_uint64],
    "tele_hub_next": [c_void_p, c_uint32, POINTER(HubEvent), c_uint32],
    "tele_hub_wake": [c_void_p],
    "tele_hub_destroy": [c_void_p],
    "tele_stream_open": [c_void_p, c_uint64, c_void_p, c_void_p, POINTER(StreamSettings), POINTER(c_void_p)],
    "tele_stream_set": [c_void_p, POINTER(StreamSettings)],
    "tele_stream_request_keyframe": [c_void_p, c_uint32],
    "tele_stream_take": [c_void_p, c_void_p, c_uint64, POINTER(c_uint64)],
    "tele_stream_close": [c_void_p],
}
_WITHOUT_RESULT = {"tele_reader_close", "tele_controller_close", "tele_hub_destroy", "tele_stream_close"}


@functools.lru_cache(maxsize=None)
def _native(library: Library) -> Any:
    """The functions of this module; other threads run while one of them works or waits."""
    native = ctypes.CDLL(str(library.path))
    for name, arguments in _FUNCTIONS.items():
        if name.startswith("tele_stream_") and not hasattr(native, name):
            continue  # see can_encode()
        function = getattr(native, name)
        function.argtypes = arguments
        function.restype = None if name in _WITHOUT_RESULT else c_int
    return native


def can_encode(library: Library) -> bool:
    """Whether a :class:`VideoStream` can be had: the library of the source distribution is built without codecs."""
    return hasattr(_native(library), "tele_stream_open")


class _Buffer:
    """Grows to what is needed, and stays."""

    def __init__(self) -> None:
        self._memory = ctypes.create_string_buffer(_BUFFER_BYTES_FIRST)
        self._needed = c_uint64()

    def fill(self, read: Any) -> Optional[Tuple[SlotHeader, memoryview]]:
        """A header and its payload, valid until the next call; None without one."""
        while True:
            result = read(self._memory, len(self._memory), byref(self._needed))
            if result == -errno.ENOBUFS:
                self._memory = ctypes.create_string_buffer(self._needed.value)
                continue
            if result != 1:
                return None
            header = SlotHeader.from_buffer_copy(self._memory)
            return header, memoryview(self._memory)[_HEADER_BYTES : self._needed.value]


class RingReader:
    """A run's segment, mapped until it is closed: also when its name is gone."""

    def __init__(self, library: Library, pointer: c_void_p) -> None:
        self._native = _native(library)
        self._library = library
        self._buffer = _Buffer()
        self.pointer = pointer
        self.status = Status()

    @classmethod
    def open(cls, library: Library, run_id: str) -> Optional["RingReader"]:
        """None where there is none that can be read."""
        pointer = c_void_p()
        if _native(library).tele_reader_open(run_id.encode(), byref(pointer)) < 0:
            return None
        return cls(library, pointer)

    def look(self) -> bool:
        """Reads the status anew. False for a segment that was truncated."""
        return bool(self._native.tele_reader_status(self.pointer, byref(self.status)) == 0)

    def newest_header(self) -> Optional[SlotHeader]:
        header, payload = SlotHeader(), c_void_p()
        result = self._native.tele_reader_begin(self.pointer, 0, READ_NEWEST, byref(header), byref(payload))
        return header if result == 1 else None

    def read_newest(self, after: int) -> Optional[Tuple[SlotHeader, memoryview]]:
        native = self._native
        return self._buffer.fill(
            lambda memory, size, needed: native.tele_reader_read(self.pointer, after, READ_NEWEST, memory, size, needed)
        )

    def hud(self) -> Optional[Hud]:
        values = Hud()
        return values if self._native.tele_reader_hud(self.pointer, byref(values)) == 1 else None

    def remove_if_dead(self) -> None:
        """Unlinks the segment of a trainer that was killed."""
        self._native.tele_reader_remove_stale(self.pointer)

    def close(self) -> None:
        self._native.tele_reader_close(self.pointer)


class RingController:
    """The run's one controller, while it is open."""

    def __init__(self, library: Library, pointer: c_void_p) -> None:
        self._native = _native(library)
        self.pointer = pointer

    @classmethod
    def open(cls, library: Library, reader: RingReader) -> Optional["RingController"]:
        """None while another process controls the run."""
        pointer = c_void_p()
        if _native(library).tele_controller_open(reader.pointer, byref(pointer)) < 0:
            return None
        return cls(library, pointer)

    def renew(self) -> None:
        self._native.tele_controller_renew(self.pointer)

    def set_pause(self, paused: bool) -> None:
        self._native.tele_controller_set_pause(self.pointer, int(paused))

    def set_rate_max(self, rate_max_mhz: int) -> None:
        self._native.tele_controller_set_rate_max(self.pointer, rate_max_mhz)

    def send_inputs(self, events: bytes) -> None:
        self._native.tele_controller_send_inputs(self.pointer, events, len(events) // INPUT_BYTES)

    def close(self) -> None:
        self._native.tele_controller_close(self.pointer)


class Hub:
    """Waits for frames and packets."""

    def __init__(self, library: Library) -> None:
        self._native = _native(library)
        self.pointer = c_void_p()
        result = self._native.tele_hub_create(byref(self.pointer))
        if result < 0:
            raise library.error(result)
        self._events = (HubEvent * _EVENTS_MAX)()

    def add(self, reader: RingReader, controller: Optional[RingController]) -> None:
        self._native.tele_hub_add(self.pointer, 1, reader.pointer, controller and controller.pointer)

    def arm(self, after: int) -> None:
        self._native.tele_hub_arm(self.pointer, 1, after, 0)

    def next(self, timeout_ms: int) -> List[HubEvent]:
        count = self._native.tele_hub_next(self.pointer, timeout_ms, self._events, _EVENTS_MAX)
        return list(self._events[: max(0, count)])

    def wake(self) -> None:
        """From any thread."""
        self._native.tele_hub_wake(self.pointer)

    def remove(self) -> None:
        self._native.tele_hub_remove(self.pointer, 1)

    def close(self) -> None:
        self._native.tele_hub_destroy(self.pointer)


class VideoStream:
    """A thread that encodes the newest picture whenever there is room for it."""

    def __init__(
        self, library: Library, hub: Hub, reader: RingReader, controller: Optional[RingController], outputs: int
    ) -> None:
        self._native = _native(library)
        self._buffer = _Buffer()
        self._outputs = outputs
        self._pointer = c_void_p()
        settings = StreamSettings(outputs=outputs)
        result = self._native.tele_stream_open(
            hub.pointer, 1, reader.pointer, controller and controller.pointer, byref(settings), byref(self._pointer)
        )
        if result < 0:
            raise library.error(result)

    def make(self, outputs: int) -> None:
        self._outputs = outputs
        self._native.tele_stream_set(self._pointer, byref(StreamSettings(outputs=outputs)))

    def request_keyframe(self) -> None:
        self._native.tele_stream_request_keyframe(self._pointer, self._outputs)

    def take(self) -> Optional[Tuple[SlotHeader, memoryview]]:
        native = self._native
        return self._buffer.fill(
            lambda memory, size, needed: native.tele_stream_take(self._pointer, memory, size, needed)
        )

    def close(self) -> None:
        self._native.tele_stream_close(self._pointer)


def picture_bytes(header: SlotHeader) -> int:
    """How many bytes the picture itself has, of a payload that may end with an overlay."""
    if header.format in (FORMAT_H264, FORMAT_JPEG):
        return int(header.overlay_offset if header.overlay_bytes else header.bytes)
    luma_bytes = header.stride * header.height
    chroma_rows = (header.height + 1) // 2
    if header.format == FORMAT_NV12:
        return int(luma_bytes + header.stride * chroma_rows)
    if header.format == FORMAT_I420:
        return int(luma_bytes + 2 * ((header.stride + 1) // 2) * chroma_rows)
    return int(luma_bytes)
