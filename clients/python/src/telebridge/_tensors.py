"""Takes tensors of other libraries for pictures, by DLPack (https://dmlc.github.io/dlpack/latest/c_api.html): those in
the CPU's memory as arrays of numpy, those in an NVIDIA GPU's where they are."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, Tuple

import numpy as np

from ._library import FORMAT_GRAY8, FORMAT_RGB8, FORMAT_RGBA8

_CPU, _CUDA, _CUDA_HOST, _CUDA_MANAGED = 1, 2, 3, 13
_UNSIGNED = 1
_FORMAT_OF_CHANNELS = {1: FORMAT_GRAY8, 3: FORMAT_RGB8, 4: FORMAT_RGBA8}
# DLPack's number of CUDA's legacy default stream, whose handle is 0: 0 itself it does not allow.
_DEFAULT_STREAM = 1

_pointer_of = ctypes.pythonapi.PyCapsule_GetPointer
_pointer_of.restype = ctypes.c_void_p
_pointer_of.argtypes = [ctypes.py_object, ctypes.c_char_p]


class _Tensor(ctypes.Structure):  # DLTensor
    _fields_ = [
        ("data", ctypes.c_void_p),
        ("device_type", ctypes.c_int32),
        ("device_id", ctypes.c_int32),
        ("ndim", ctypes.c_int32),
        ("code", ctypes.c_uint8),
        ("bits", ctypes.c_uint8),
        ("lanes", ctypes.c_uint16),
        ("shape", ctypes.POINTER(ctypes.c_int64)),
        ("strides", ctypes.POINTER(ctypes.c_int64)),
        ("byte_offset", ctypes.c_uint64),
    ]


class CudaPicture(NamedTuple):
    """A picture in a GPU's memory. ``owner`` keeps that memory alive and must be held until it is read there."""

    address: int
    width: int
    height: int
    format: int
    pitch: int
    device: int
    stream: int
    owner: object


def is_tensor(value: Any) -> bool:
    """Whether a value tells by DLPack where it is; numpy's arrays need no telling."""
    return hasattr(value, "__dlpack__") and hasattr(value, "__dlpack_device__")


def is_on_gpu(tensor: Any) -> bool:
    """Whether a tensor is in an NVIDIA GPU's memory."""
    return int(tensor.__dlpack_device__()[0]) in (_CUDA, _CUDA_MANAGED)


def array_of(tensor: Any) -> np.ndarray:
    """A tensor of the CPU's memory as an array of the same memory. Raises ValueError where that cannot be."""
    kind = int(tensor.__dlpack_device__()[0])
    if kind not in (_CPU, _CUDA_HOST):
        raise ValueError(f"the picture is a tensor on a device of DLPack's type {kind}; expected the CPU's or CUDA's")
    from_dlpack = getattr(np, "from_dlpack", None)
    if from_dlpack is None:
        raise ValueError(f"the picture is a tensor, which takes numpy 1.22; this is numpy {np.__version__}")
    try:
        array: np.ndarray = from_dlpack(tensor)
    except (BufferError, RuntimeError, TypeError) as error:  # such as a tensor of PyTorch's that needs gradients
        raise ValueError(f"the picture is a tensor that is not handed out: {error}") from error
    return array


def cuda_picture_of(tensor: Any, stream: int) -> CudaPicture:
    """The picture in a tensor on a GPU, ready on that stream (CUDA's handle; 0 is the default one), where it is.

    Raises ValueError for another shape or type, and says what is accepted.
    """
    if stream < 0:  # DLPack's -1 for "no stream" is no handle of CUDA's, which would follow it
        raise ValueError(f"stream is {stream}; expected CUDA's handle, such as torch.cuda.current_stream().cuda_stream")
    try:
        capsule = tensor.__dlpack__(stream=stream or _DEFAULT_STREAM)
    except (BufferError, RuntimeError, TypeError) as error:
        raise ValueError(f"the picture is a tensor that is not handed out: {error}") from error
    # Behind DLManagedTensor's address lies its first member. The capsule is not taken over: let go of, it frees.
    found = _Tensor.from_address(_pointer_of(capsule, b"dltensor"))
    shape = tuple(found.shape[i] for i in range(found.ndim))
    channels = shape[2] if found.ndim == 3 else 1
    is_bytes = (found.code, found.bits, found.lanes) == (_UNSIGNED, 8, 1)
    pixel_format = _FORMAT_OF_CHANNELS.get(channels) if found.ndim in (2, 3) else None
    if not is_bytes or pixel_format is None or 0 in shape or (found.ndim == 3 and channels == 1):
        raise _reject(found, shape)
    height, width = shape[:2]
    return CudaPicture(
        (found.data or 0) + found.byte_offset,
        width,
        height,
        pixel_format,
        _pitch_of(found, shape, width * channels),
        found.device_id,
        stream,
        capsule,
    )


def _pitch_of(found: _Tensor, shape: Tuple[int, ...], row_bytes: int) -> int:
    """Bytes from row to row. Raises ValueError where pixels do not follow one another in a row."""
    if not found.strides:
        return row_bytes
    strides = tuple(found.strides[i] for i in range(found.ndim))
    channels = shape[2] if len(shape) == 3 else 1
    in_row = (shape[1] == 1 or strides[1] == channels) and (len(shape) == 2 or strides[2] == 1)
    pitch = row_bytes if shape[0] == 1 else strides[0]
    if not in_row or not row_bytes <= pitch < 2**32:
        raise ValueError(
            f"the picture is a CUDA tensor of shape {shape} and strides {strides}, whose pixels do not follow one "
            "another; try picture.contiguous()"
        )
    return pitch


def _reject(found: _Tensor, shape: Tuple[int, ...]) -> ValueError:
    kind = {0: "int", 1: "uint", 2: "float", 4: "bfloat", 6: "bool"}.get(found.code, f"type {found.code} of ")
    hint = ""
    if found.code in (2, 4):
        hint = "; for values from 0 to 1: (255 * picture).clamp(0, 255).to(torch.uint8)"
    elif len(shape) == 3 and shape[0] in (1, 3, 4):
        hint = "; for channels first: picture.permute(1, 2, 0).contiguous()"
    return ValueError(
        f"the picture is a CUDA tensor of shape {shape} and {kind}{found.bits}; expected uint8 of shape "
        f"(height, width, 3) RGB, (height, width, 4) RGBA or (height, width) gray{hint}"
    )
