"""The C library's other side, for tests: its reader and its controller, through the library in the installed wheel."""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import threading
from ctypes import POINTER, byref, c_char_p, c_double, c_int, c_uint32, c_uint64, c_void_p
from typing import Iterator, NamedTuple, Optional, Tuple

import numpy as np
from telebridge._library import Hud, InputRecord, Status, library

READ_NEWEST, READ_NEXT = 0, 1
RENEW_INTERVAL_S = 0.5
BUFFER_BYTES = 8 << 20
FLAG_PAUSED = 2

lib = ctypes.CDLL(str(library().path))
for _name, _arguments in {
    "tele_layout_json": [c_char_p, ctypes.c_size_t],
    "tele_reader_open": [c_char_p, POINTER(c_void_p)],
    "tele_reader_status": [c_void_p, POINTER(Status)],
    "tele_reader_read": [c_void_p, c_uint64, c_uint32, c_void_p, c_uint64, POINTER(c_uint64)],
    "tele_reader_hud": [c_void_p, POINTER(Hud)],
    "tele_reader_close": [c_void_p],
    "tele_controller_open": [c_void_p, POINTER(c_void_p)],
    "tele_controller_renew": [c_void_p],
    "tele_controller_set_pause": [c_void_p, c_uint32],
    "tele_controller_set_rate_max": [c_void_p, c_uint32],
    "tele_controller_send_inputs": [c_void_p, POINTER(InputRecord), c_uint32],
    "tele_controller_close": [c_void_p],
    "tele_hub_create": [POINTER(c_void_p)],
    "tele_hub_add": [c_void_p, c_uint64, c_void_p, c_void_p],
    "tele_hub_arm": [c_void_p, c_uint64, c_uint64, c_uint64],
    "tele_hub_next": [c_void_p, c_uint32, c_void_p, c_uint32],
    "tele_hub_destroy": [c_void_p],
}.items():
    getattr(lib, _name).argtypes = _arguments
if hasattr(lib, "tele_reader_picture_stats"):  # the source distribution's library has none
    lib.tele_reader_picture_stats.argtypes = [c_void_p, c_uint64, c_uint32, c_void_p]
lib.tele_error_message.restype = c_char_p


class SlotHeader(ctypes.Structure):
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
        ("reserved", ctypes.c_uint8 * 28),
    ]


class HubEvent(ctypes.Structure):
    _fields_ = [
        ("stream_id", c_uint64),
        ("head", c_uint64),
        ("t_mono_ns", c_uint64),
        ("kind", c_uint32),
        ("detail", c_uint32),
    ]


class ReadFrame(NamedTuple):
    header: SlotHeader
    payload: np.ndarray

    def picture(self) -> np.ndarray:
        """The picture without its padding, of shape (height, width[, channels])."""
        header = self.header
        channels = {1: 3, 2: 4, 3: 4, 4: 1}[header.format]
        rows = self.payload[: header.stride * header.height].reshape(header.height, header.stride)
        pixels = rows[:, : header.width * channels]
        shape = (header.height, header.width) + ((channels,) if channels > 1 else ())
        return pixels.reshape(shape)

    def overlay(self) -> np.ndarray:
        header = self.header
        begin = header.overlay_offset
        return self.payload[begin : begin + header.overlay_bytes].reshape(
            header.overlay_height, header.overlay_width
        )


def check(result: int) -> int:
    if result < 0:
        raise OSError(-result, lib.tele_error_message().decode())
    return result


def layout() -> dict:
    buffer = ctypes.create_string_buffer(65536)
    check(lib.tele_layout_json(buffer, len(buffer)))
    return json.loads(buffer.value)


class Reader:
    def __init__(self, run_id: str) -> None:
        self.handle = c_void_p()
        check(lib.tele_reader_open(run_id.encode(), byref(self.handle)))
        self._buffer = (ctypes.c_uint8 * BUFFER_BYTES)()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        lib.tele_reader_close(self.handle)

    def status(self) -> Status:
        status = Status()
        check(lib.tele_reader_status(self.handle, byref(status)))
        return status

    def read(self, after: int = 0, mode: int = READ_NEWEST) -> Optional[ReadFrame]:
        size = c_uint64()
        if check(lib.tele_reader_read(self.handle, after, mode, self._buffer, BUFFER_BYTES, byref(size))) == 0:
            return None
        header = SlotHeader.from_buffer_copy(self._buffer)
        return ReadFrame(header, np.frombuffer(self._buffer, np.uint8, header.bytes, 128).copy())

    def newest(self) -> ReadFrame:
        frame = self.read()
        assert frame is not None, "nothing was published"
        return frame

    def hud(self) -> Hud:
        hud = Hud()
        assert check(lib.tele_reader_hud(self.handle, byref(hud))) == 1, "no numbers were written"
        return hud


class PictureStats(ctypes.Structure):
    _fields_ = [
        ("frame", c_uint64),
        ("t_mono_ns", c_uint64),
        ("width", c_uint32),
        ("height", c_uint32),
        ("luma_min", c_uint32),
        ("luma_max", c_uint32),
        ("cells", ctypes.c_uint8 * 4096),  # more than there are
    ]


def luma_range(reader: Reader) -> Tuple[int, int]:
    """The least and the greatest luma of the newest picture, decoded where it is H.264."""
    stats = PictureStats()
    assert check(lib.tele_reader_picture_stats(reader.handle, 0, 1, byref(stats))) == 1, "no picture was decoded"
    return stats.luma_min, stats.luma_max


def exists(run_id: str) -> bool:
    return os.path.exists(f"/dev/shm/mosaic.run.{run_id}.fastlane")


class Controller:
    """Controls a run as `serve` does: its lease is renewed by a thread until :meth:`close`."""

    def __init__(self, run_id: str) -> None:
        self.reader = Reader(run_id)
        self.handle = c_void_p()
        check(lib.tele_controller_open(self.reader.handle, byref(self.handle)))
        self._ending = threading.Event()
        self._renewer = threading.Thread(target=self._renew)
        check(lib.tele_controller_renew(self.handle))
        self._renewer.start()

    def _renew(self) -> None:
        while not self._ending.wait(RENEW_INTERVAL_S):
            lib.tele_controller_renew(self.handle)

    def pause(self, paused: bool) -> None:
        check(lib.tele_controller_set_pause(self.handle, paused))

    def set_rate_max(self, frames_per_second: float) -> None:
        check(lib.tele_controller_set_rate_max(self.handle, int(frames_per_second * 1000)))

    def send(self, *events: InputRecord) -> int:
        return check(lib.tele_controller_send_inputs(self.handle, (InputRecord * len(events))(*events), len(events)))

    def single_step(self) -> None:
        self.send(InputRecord(kind=5, code=3))

    def close(self) -> None:
        self._ending.set()
        self._renewer.join()
        lib.tele_controller_close(self.handle)
        self.reader.__exit__()


@contextlib.contextmanager
def controlling(run_id: str) -> Iterator[Controller]:
    controller = Controller(run_id)
    try:
        yield controller
    finally:
        controller.close()
