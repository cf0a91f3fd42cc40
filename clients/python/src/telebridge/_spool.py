"""Rows on disk while the server is away: one folder for each stream of a run, with append-only segments.

``<spool>/<run_id>~<stream id>/`` holds ``stream.json``, a ``lock`` that its sender flocks, and ``00000000.seg``, … of
16 MiB each. A segment is a row of entries: u32 length of the payload, u32 CRC-32 of all that follows, u8 kind, 3 zero
bytes, u32 rows, u64 sequence number of the first, payload. A half-written entry at the end, by a kill or a loss of power,
ends its segment. Written entries survive the sender's end at once; an fdatasync follows within a second, so a loss of
power may take the last second. A segment is deleted when all of it is acknowledged. Nothing says how far: whoever sends a
spool asks the server first, and passes over what is committed.

The folder of all spools has a limit, 1 GiB unless ``TELEBRIDGE_SPOOL_BYTES_MAX`` names another. At the limit nothing more
is taken from the queue, which then fills, and drops and counts the newest rows.
"""

from __future__ import annotations

import fcntl
import json
import os
import pathlib
import shutil
import struct
import time
import zlib
from typing import Any, Dict, Iterator, List, NamedTuple, Optional

from ._rows import Encoded

SEGMENT_BYTES = 16 << 20
BYTES_MAX = 1 << 30
_SYNC_S = 1.0
_ENTRY = struct.Struct("<IIB3xIQ")
_PAYLOAD_BYTES_MAX = 64 << 20


def bytes_max() -> int:
    try:
        return int(os.environ.get("TELEBRIDGE_SPOOL_BYTES_MAX", BYTES_MAX))
    except ValueError:
        return BYTES_MAX


class Identity(NamedTuple):
    """Whose rows a spool holds, and for which server."""

    run_id: str
    stream_id: bytes
    destination: str
    config: Dict[str, Any]


class Spool:
    """A stream's folder, held by this process alone. Entries are appended at the end and read in order."""

    def __init__(self, path: pathlib.Path, lock_fd: int, identity: Identity) -> None:
        self.path = path
        self.identity = identity
        self._lock_fd = lock_fd
        self._writing: Optional[Any] = None
        self._unsynced_since_s: Optional[float] = None

    @staticmethod
    def create(root: pathlib.Path, identity: Identity) -> "Spool":
        """Opens the stream's folder, which may be there already. Raises OSError."""
        root.mkdir(parents=True, exist_ok=True, mode=0o700)
        path = root / f"{identity.run_id}~{identity.stream_id.hex()}"
        path.mkdir(mode=0o700, exist_ok=True)
        lock_fd = os.open(path / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
        text = json.dumps({**identity._asdict(), "stream_id": identity.stream_id.hex()})
        partial = path / "stream.json.partial"
        with open(partial, "w") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(partial, path / "stream.json")
        _sync_directory(path)
        _sync_directory(root)
        return Spool(path, lock_fd, identity)

    @staticmethod
    def adopt(path: pathlib.Path) -> Optional["Spool"]:
        """A folder that another process left; None when a live one holds it, or it is no spool."""
        try:
            lock_fd = os.open(path / "lock", os.O_RDWR | os.O_CLOEXEC)
        except OSError:
            return None
        try:
            fcntl.flock(lock_fd, fcntl.LOCK_EX | fcntl.LOCK_NB)
            described = json.loads((path / "stream.json").read_bytes())
            described["stream_id"] = bytes.fromhex(described["stream_id"])
            return Spool(path, lock_fd, Identity(**described))
        except (OSError, ValueError, TypeError):
            os.close(lock_fd)
            return None

    def close_segment(self) -> None:
        """What is appended from now on stands in another segment, so that this one can be read to its end."""
        self.sync()
        if self._writing is not None:
            self._writing.close()
            self._writing = None

    def segments(self) -> List[pathlib.Path]:
        """Oldest first."""
        return sorted(self.path.glob("*.seg"))

    def append(self, entries: List[Encoded]) -> None:
        """Raises OSError; then none of the entries counts as written."""
        if self._writing is None or self._writing.tell() > SEGMENT_BYTES:
            self.close_segment()
            segments = self.segments()
            number = int(segments[-1].stem) + 1 if segments else 0
            self._writing = open(self.path / f"{number:08}.seg", "xb", buffering=0)
            _sync_directory(self.path)
        begin = self._writing.tell()
        parts = []
        for kind, first, rows, payload in entries:
            head = _ENTRY.pack(len(payload), 0, kind, rows, first)
            crc = zlib.crc32(payload, zlib.crc32(head[8:]))
            parts += [_ENTRY.pack(len(payload), crc, kind, rows, first), payload]
        left = memoryview(b"".join(parts))
        try:
            while left:
                left = left[self._writing.write(left) :]
        except OSError:
            os.ftruncate(self._writing.fileno(), begin)
            self._writing.seek(begin)
            raise
        if self._unsynced_since_s is None:
            self._unsynced_since_s = time.monotonic()

    def sync_if_due(self) -> None:
        if self._unsynced_since_s is not None and time.monotonic() - self._unsynced_since_s > _SYNC_S:
            self.sync()

    def sync(self) -> None:
        if self._writing is not None and self._unsynced_since_s is not None:
            os.fdatasync(self._writing.fileno())
        self._unsynced_since_s = None

    def release(self) -> None:
        """Lets another process have it."""
        self.close_segment()
        os.close(self._lock_fd)

    def remove(self) -> None:
        """All of it is acknowledged."""
        if self._writing is not None:
            self._writing.close()
            self._writing = None
        shutil.rmtree(self.path, ignore_errors=True)
        os.close(self._lock_fd)


def entries_of(segment: pathlib.Path) -> Iterator[Encoded]:
    """The whole entries of a segment."""
    with open(segment, "rb") as file:
        while True:
            head = file.read(_ENTRY.size)
            if len(head) < _ENTRY.size:
                return
            length, crc, kind, rows, first = _ENTRY.unpack(head)
            if length > _PAYLOAD_BYTES_MAX:
                return
            payload = file.read(length)
            if len(payload) < length or zlib.crc32(payload, zlib.crc32(head[8:])) != crc:
                return
            yield Encoded(kind, first, rows, payload)


def spools_bytes(root: pathlib.Path) -> int:
    """Bytes of all spools on this machine. Files of checkpoints are second names, and take no room."""
    total = 0
    for segment in root.glob("*~*/*.seg"):
        try:
            total += segment.stat().st_size
        except OSError:
            pass
    return total


def _sync_directory(path: pathlib.Path) -> None:
    fd = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
