"""Binds libtelebridge: its structs, its functions, its errors. Nothing is loaded before :func:`library` is called."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import pathlib
from ctypes import POINTER, Structure, c_char_p, c_double, c_float, c_int, c_uint32, c_uint64, c_void_p
from typing import Any, Dict, List, Tuple

FORMAT_RGB8 = 1
FORMAT_RGBA8 = 2
FORMAT_GRAY8 = 4

CONTROL_WORDS = ("controller_alive", "pause_requested", "rate_max_mhz", "keyframe_requests")


class TelebridgeError(Exception):
    """A failure of the fast lane that the caller can act on: the message says what was found."""


class RunExistsError(TelebridgeError):
    """Another live process publishes a run of this name."""


class ProducerOptions(Structure):
    _fields_ = [("payload_bytes_max", c_uint64), ("capacity", c_uint64)]


class Frame(Structure):
    _fields_ = [
        ("pixels", c_void_p),
        ("overlay", c_void_p),
        ("bytes", c_uint64),
        ("step", c_uint64),
        ("episode", c_uint64),
        ("reward", c_double),
        ("t_mono_ns", c_uint64),
        ("t_real_ns", c_uint64),
        ("width", c_uint32),
        ("height", c_uint32),
        ("format", c_uint32),
        ("stride", c_uint32),
        ("flags", c_uint32),
        ("overlay_width", c_uint32),
        ("overlay_height", c_uint32),
        ("overlay_format", c_uint32),
    ]


class CudaOptions(Structure):
    _fields_ = [
        (name, c_uint32)
        for name in ("width", "height", "device", "encoder", "fps_mhz", "bitrate_kbps", "gop_ms")
    ]


class CudaFrame(Structure):
    _fields_ = [
        ("address", c_uint64),
        ("chroma", c_uint64),
        ("array", c_uint64),
        ("stream", c_uint64),
        ("step", c_uint64),
        ("episode", c_uint64),
        ("reward", c_double),
        ("t_mono_ns", c_uint64),
        ("format", c_uint32),
        ("pitch", c_uint32),
        ("bottom_up", c_uint32),
    ]


class Hud(Structure):
    _fields_ = [
        ("last_reward", c_double),
        ("avg_reward_1s", c_double),
        ("step_rate_hz", c_double),
        ("episode", c_uint64),
        ("step", c_uint64),
        ("episode_return", c_double),
        ("loss", c_double),
    ]


class Controls(Structure):
    _fields_ = [(name, c_uint32) for name in CONTROL_WORDS]


class InputRecord(Structure):
    _fields_ = [
        ("kind", c_uint32),
        ("code", c_uint32),
        ("x", c_float),
        ("y", c_float),
        ("buttons", c_uint32),
        ("modifiers", c_uint32),
        ("t_ns", c_uint64),
    ]


class Status(Structure):
    _fields_ = [
        ("head", c_uint64),
        ("epoch_ns", c_uint64),
        ("capacity", c_uint64),
        ("slot_bytes", c_uint64),
        ("inode", c_uint64),
        ("flags", c_uint32),
        ("owner", c_uint32),
        ("producer_pid", c_uint32),
        ("replaced", c_uint32),
        ("controls", Controls),
    ]


OWNER_ALIVE = 1
FLAG_OWNER_LOCK = 8

# name: (result, arguments).
_FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {
    "tele_version": (c_char_p, []),
    "tele_error_message": (c_char_p, []),
    "tele_clock_mono_ns": (c_uint64, []),
    "tele_producer_publish": (c_int, [c_void_p, POINTER(Frame)]),
    "tele_producer_wants_frame": (c_int, [c_void_p]),
    "tele_producer_set_hud": (c_int, [c_void_p, POINTER(Hud)]),
    "tele_producer_controls": (None, [c_void_p, POINTER(Controls)]),
    "tele_producer_gate": (c_int, [c_void_p, c_uint32]),
    "tele_producer_next_input": (c_int, [c_void_p, POINTER(InputRecord)]),
    "tele_producer_close": (None, [c_void_p]),
    "tele_producer_open": (c_int, [c_char_p, POINTER(ProducerOptions), POINTER(c_void_p)]),
    "tele_reader_open": (c_int, [c_char_p, POINTER(c_void_p)]),
    "tele_reader_status": (c_int, [c_void_p, POINTER(Status)]),
    "tele_reader_close": (None, [c_void_p]),
    "tele_runtime_dir": (c_int, [c_char_p, ctypes.c_size_t]),
}

# Of a library with encoders: the wheel's, and not that of the source distribution.
_CUDA_FUNCTIONS: Dict[str, Tuple[Any, List[Any]]] = {
    "tele_cuda_open": (c_int, [c_char_p, POINTER(CudaOptions), POINTER(c_void_p)]),
    "tele_cuda_publish": (c_int, [c_void_p, POINTER(CudaFrame)]),
    "tele_cuda_producer": (c_void_p, [c_void_p]),
    "tele_cuda_close": (None, [c_void_p]),
}


class Library:
    """The loaded library, bound twice.

    ``quick`` is for what returns at once. It holds the interpreter's lock during a call: giving it up and taking it
    back costs more than such a call does, and may cost 5 ms when another thread is busy. ``patient`` lets other
    threads run meanwhile: for large pictures, for mapping and unmapping memory, and for opening a producer, which
    may wait seconds for a dead one.
    """

    def __init__(self, path: pathlib.Path) -> None:
        self.path = path
        try:
            self.quick = ctypes.PyDLL(str(path))
            self.patient = ctypes.CDLL(str(path))
            self.has_cuda = all(hasattr(self.patient, name) for name in _CUDA_FUNCTIONS)
            functions = {**_FUNCTIONS, **_CUDA_FUNCTIONS} if self.has_cuda else _FUNCTIONS
            for name, (result, arguments) in functions.items():
                for binding in (self.quick, self.patient):
                    function = getattr(binding, name)
                    function.restype = result
                    function.argtypes = arguments
        except (OSError, AttributeError) as error:  # no such file, or a library without one of the functions
            raise TelebridgeError(f"cannot load the telebridge library {path}: {error}") from error

    @property
    def version(self) -> str:
        return str(self.quick.tele_version().decode())

    def error(self, code: int) -> TelebridgeError:
        """The exception for a negative result of the call that this thread made last."""
        message = self.quick.tele_error_message().decode(errors="replace") or os.strerror(-code)
        return (RunExistsError if code == -errno.EEXIST else TelebridgeError)(message)


@functools.lru_cache(maxsize=None)
def library() -> Library:
    """Loads the library that the wheel carries, or the one that ``TELEBRIDGE_LIBRARY`` names."""
    named = os.environ.get("TELEBRIDGE_LIBRARY")
    return Library(pathlib.Path(named) if named else pathlib.Path(__file__).with_name("libtelebridge.so"))
