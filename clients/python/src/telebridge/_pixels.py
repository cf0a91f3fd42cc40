"""Takes a numpy array for a picture: what it may look like, where its bytes are, and whether they need a copy first."""

from __future__ import annotations

import ctypes
from typing import Any, NamedTuple, Optional, Tuple

import numpy as np

from ._library import FORMAT_GRAY8, FORMAT_RGB8, FORMAT_RGBA8
from ._tensors import array_of, is_tensor

_FORMAT_OF_CHANNELS = {3: FORMAT_RGB8, 4: FORMAT_RGBA8}
# A narrow cut of a wide picture is copied row by row into a compact one; a little padding is not worth that.
_PADDING_MAX = 1.5
_UINT8 = np.dtype(np.uint8)
_byte_at = ctypes.c_char.from_buffer


class Picture(NamedTuple):
    """A picture in memory. ``owner`` keeps that memory alive and must be held while ``address`` is used."""

    address: int
    width: int
    height: int
    format: int
    stride: int
    owner: np.ndarray

    @property
    def bytes(self) -> int:
        return self.stride * self.height


def describe(value: Any) -> str:
    """Shape and type of a value, for messages."""
    if isinstance(value, np.ndarray):
        return f"an array of shape {value.shape} and dtype {value.dtype}"
    return f"{type(value).__module__}.{type(value).__qualname__}"


def _reject(value: Any, what: str) -> ValueError:
    accepted = "a numpy uint8 array of shape (height, width, 3) RGB, (height, width, 4) RGBA or (height, width) gray"
    hint = ""
    if isinstance(value, np.ndarray):
        if value.dtype.kind == "f":
            hint = "; for values from 0 to 1: (255 * picture).clip(0, 255).astype('uint8')"
        elif value.dtype.kind == "b":
            hint = "; for a mask: picture.astype('uint8') * 255"
        elif value.dtype == np.uint8 and value.ndim == 3 and value.shape[2] == 1:
            hint = "; for one channel: picture[:, :, 0]"
        elif value.dtype == np.uint8 and value.ndim == 3 and value.shape[0] in (1, 3, 4):
            hint = "; for channels first: picture.transpose(1, 2, 0)"
        elif value.dtype == np.uint8 and value.ndim == 4:
            hint = "; for a batch of pictures: telebridge.tile(pictures)"
    elif hasattr(value, "detach"):
        hint = "; for a tensor: picture.detach().cpu().numpy()"
    return ValueError(f"{what} is {describe(value)}; expected {accepted}{hint}")


def _address_of(array: np.ndarray) -> int:
    """Where an array's first element is."""
    if array.flags.c_contiguous and array.flags.writeable:
        return ctypes.addressof(_byte_at(array))  # a third of the time of the general way below
    address: int = array.__array_interface__["data"][0]
    return address


def _room_from(array: np.ndarray) -> int:
    """Bytes from an array's first element to the end of the memory that it is a view of."""
    root = array
    while isinstance(root.base, np.ndarray):
        root = root.base
    if not root.flags.c_contiguous:
        return 0
    return _address_of(root) + root.nbytes - _address_of(array)


def _row_stride(array: np.ndarray, row_bytes: int, pixel_bytes: int) -> int:
    """Bytes from row to row when the rows can be read in place, else 0."""
    stride = array.strides[0]
    in_row = array.strides[1] == pixel_bytes and (array.ndim == 2 or array.strides[2] == 1)
    if not in_row or not row_bytes <= stride <= row_bytes * _PADDING_MAX:
        return 0
    # The last row is read with its padding, which a cut from the right edge has not.
    return stride if stride * array.shape[0] <= _room_from(array) else 0


def picture_of(value: Any) -> Picture:
    """The picture in an array, or in a tensor of the CPU's memory, in place where its rows allow it, else copied.

    Raises ValueError for another shape or dtype, and says what is accepted.
    """
    if not isinstance(value, np.ndarray) and is_tensor(value):
        value = array_of(value)
    if not isinstance(value, np.ndarray) or value.dtype != _UINT8 or not 2 <= value.ndim <= 3:
        raise _reject(value, "the picture")
    shape: Tuple[int, ...] = value.shape
    height, width = shape[0], shape[1]
    channels = shape[2] if value.ndim == 3 else 1
    pixel_format: Optional[int] = _FORMAT_OF_CHANNELS.get(channels) if value.ndim == 3 else FORMAT_GRAY8
    if pixel_format is None or height == 0 or width == 0:
        raise _reject(value, "the picture")
    stride = row_bytes = width * channels
    if not value.flags.c_contiguous:
        stride = _row_stride(value, row_bytes, channels)
        if stride == 0:
            value = np.ascontiguousarray(value)
            stride = row_bytes
    return Picture(_address_of(value), width, height, pixel_format, stride, value)


def overlay_of(value: Any) -> Picture:
    """The heat map in an array of shape (rows, columns): uint8 as it is, floats spread from their least (0) to their
    greatest (255) value, NaN as 0. Raises ValueError for anything else."""
    if not isinstance(value, np.ndarray) or value.ndim != 2 or value.size == 0:
        raise ValueError(f"the overlay is {describe(value)}; expected an array of shape (rows, columns)")
    if value.dtype.kind == "f":
        value = _spread(value)
    if value.dtype != np.uint8:
        raise ValueError(f"the overlay is {describe(value)}; expected dtype uint8 or a float")
    value = np.ascontiguousarray(value)
    rows, columns = value.shape
    return Picture(_address_of(value), columns, rows, FORMAT_GRAY8, columns, value)


def _spread(values: np.ndarray) -> np.ndarray:
    finite = np.isfinite(values)
    if not finite.any():
        return np.zeros(values.shape, np.uint8)
    low, high = values[finite].min(), values[finite].max()
    span = high - low if high > low else 1.0
    return np.where(finite, (np.where(finite, values, low) - low) * (255 / span), 0).astype(np.uint8)
