"""A double of PyTorch's tensors on a GPU: memory of the double of CUDA's driver (tests/native/nvenc_double), which must be
on LD_LIBRARY_PATH, handed out by DLPack. For child processes of test_tensors.py; real GPUs never ran it."""

from __future__ import annotations

import ctypes
from ctypes import POINTER, byref, c_int32, c_int64, c_size_t, c_uint8, c_uint16, c_uint64, c_void_p
from typing import Any, Optional, Tuple

import numpy as np

CUDA = ctypes.CDLL("libcuda.so.1")
HOST, DEVICE = 1, 2


class Copy(ctypes.Structure):  # CUDA_MEMCPY2D
    _fields_ = [
        (f"{end}_{field}", kind)
        for end in ("from", "to")
        for field, kind in (
            ("x", c_size_t),
            ("y", c_size_t),
            ("type", c_int32),
            ("host", c_void_p),
            ("device", c_uint64),
            ("array", c_void_p),
            ("pitch", c_size_t),
        )
    ] + [("width", c_size_t), ("height", c_size_t)]


class ManagedTensor(ctypes.Structure):  # DLManagedTensor
    _fields_ = [
        ("data", c_void_p),
        ("device_type", c_int32),
        ("device_id", c_int32),
        ("ndim", c_int32),
        ("code", c_uint8),
        ("bits", c_uint8),
        ("lanes", c_uint16),
        ("shape", POINTER(c_int64)),
        ("strides", POINTER(c_int64)),
        ("byte_offset", c_uint64),
        ("manager", c_void_p),
        ("deleter", c_void_p),
    ]


CAPSULE_DESTRUCTOR = ctypes.CFUNCTYPE(None, c_void_p)
new_capsule = ctypes.pythonapi.PyCapsule_New
new_capsule.restype = ctypes.py_object
new_capsule.argtypes = [c_void_p, ctypes.c_char_p, CAPSULE_DESTRUCTOR]
capsule_pointer = ctypes.PYFUNCTYPE(c_void_p, c_void_p, ctypes.c_char_p)(
    ("PyCapsule_GetPointer", ctypes.pythonapi)
)


def check(result: int) -> None:
    assert result == 0, f"the double's CUDA error {result}"


class Device:
    """The program's primary context, current while this is entered: the library enters it by itself."""

    def __init__(self) -> None:
        self.context = c_void_p()
        check(CUDA.cuInit(0))
        check(CUDA.cuDevicePrimaryCtxRetain(byref(self.context), 0))

    def __enter__(self) -> None:
        check(CUDA.cuCtxPushCurrent_v2(self.context))

    def __exit__(self, *_: object) -> None:
        check(CUDA.cuCtxPopCurrent_v2(byref(c_void_p())))

    def release(self) -> None:
        check(CUDA.cuDevicePrimaryCtxRelease(0))


class CudaTensorDouble:
    """uint8, or what `code` and `bits` say, with rows as far apart as the driver likes."""

    handed_out = 0  # capsules that live

    def __init__(self, device: Device, pixels: np.ndarray, code: int = 1, bits: int = 8) -> None:
        self.device = device
        self.shape = pixels.shape
        self.code, self.bits = code, bits
        self.streams: list = []
        row_bytes = pixels[0].nbytes
        memory, pitch = c_uint64(), c_size_t()
        with device:
            check(CUDA.cuMemAllocPitch_v2(byref(memory), byref(pitch), c_size_t(row_bytes), c_size_t(len(pixels)), 4))
        self.address, self.pitch = memory.value, pitch.value
        self.fill(pixels)

    def fill(self, pixels: np.ndarray) -> None:
        pixels = np.ascontiguousarray(pixels)
        copy = Copy(
            from_type=HOST,
            from_host=pixels.ctypes.data,
            from_pitch=pixels[0].nbytes,
            to_type=DEVICE,
            to_device=self.address,
            to_pitch=self.pitch,
            width=pixels[0].nbytes,
            height=len(pixels),
        )
        with self.device:
            check(CUDA.cuMemcpy2D_v2(byref(copy)))

    def free(self) -> None:
        with self.device:
            check(CUDA.cuMemFree_v2(c_uint64(self.address)))

    def __dlpack_device__(self) -> Tuple[int, int]:
        return (2, 0)

    def strides(self) -> Tuple[int, ...]:
        return (self.pitch, *self.shape[2:], 1)

    def __dlpack__(self, stream: Optional[int] = None) -> Any:
        self.streams.append(stream)
        axes = c_int64 * len(self.shape)
        managed = ManagedTensor(
            data=self.address,
            device_type=2,
            ndim=len(self.shape),
            code=self.code,
            bits=self.bits,
            lanes=1,
            shape=axes(*self.shape),
            strides=axes(*self.strides()),
        )
        _living[ctypes.addressof(managed)] = managed
        CudaTensorDouble.handed_out += 1
        return new_capsule(ctypes.addressof(managed), b"dltensor", _end)


_living: dict = {}


@CAPSULE_DESTRUCTOR
def _end(capsule: int) -> None:
    CudaTensorDouble.handed_out -= 1
    del _living[capsule_pointer(capsule, b"dltensor")]
