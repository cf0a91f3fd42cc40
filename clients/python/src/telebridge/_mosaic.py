"""Many pictures as one: a vector of environments is watched as a mosaic, since one stream costs less than many."""

from __future__ import annotations

import math
from typing import Optional, Sequence, Union

import numpy as np

from ._pixels import describe


def tile(
    pictures: Union[np.ndarray, Sequence[np.ndarray]],
    *,
    columns: Optional[int] = None,
    shrink: int = 1,
    out: Optional[np.ndarray] = None,
) -> np.ndarray:
    """Lays pictures of one shape side by side, in rows from the upper left.

    pictures: n arrays of shape (height, width, channels) or (height, width), or one array with n in front.
    columns: pictures per row; by default such that the mosaic is about as wide as it is high.
    shrink: take every n-th pixel of every n-th row of each picture.
    out: the mosaic of an earlier call, to be filled again.

    Returns an array of shape (rows * height, columns * width[, channels]); places without a picture are black.
    Raises ValueError for no pictures, and for pictures of unequal shape.
    """
    count = len(pictures)
    if count == 0:
        raise ValueError("tile: there are no pictures")
    first = np.asarray(pictures[0])
    if first.ndim not in (2, 3):
        raise ValueError(f"tile: a picture is {describe(first)}; expected (height, width[, channels])")
    small = first[::shrink, ::shrink]
    height, width = small.shape[:2]
    if columns is None:
        columns = min(count, max(1, math.ceil(math.sqrt(count * height / width))))
    rows = math.ceil(count / columns)
    shape = (rows * height, columns * width) + small.shape[2:]
    if out is None or out.shape != shape or out.dtype != first.dtype:
        out = np.zeros(shape, first.dtype)
    for index, picture in enumerate(pictures):
        picture = np.asarray(picture)
        if picture.shape != first.shape:
            raise ValueError(f"tile: picture {index} has shape {picture.shape}, the first one {first.shape}")
        top, left = (index // columns) * height, (index % columns) * width
        out[top : top + height, left : left + width] = picture[::shrink, ::shrink]
    return out
