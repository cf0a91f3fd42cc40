"""A producer without any code of telebridge's: only Python's own library, after docs/ring.md alone.

It proves that the contract can be followed from its description. Run it by hand, with `telebridge serve` running:

    python3 tests/python/plain_producer.py my-run

Python has no memory fences. On x86-64 stores become visible in the order in which they are made, which is all that
publishing needs; on a processor that reorders stores, a producer needs a language that has fences.
"""

import argparse
import array
import fcntl
import json
import os
import signal
import socket
import struct
import sys
import time
from multiprocessing import shared_memory

HEADER_BYTES = 16384
SLOT_HEADER_BYTES = 128
MAGIC = 0x41534F4D
FORMAT_RGB8 = 1
OVERLAY_HEAT8 = 1
FLAG_RUNNING, FLAG_PAUSED, FLAG_CLOSED, FLAG_OWNER_LOCK = 1, 2, 4, 8
INPUT_EVENTS_MAX = 256
INPUT_EVENT = struct.Struct("<IIffIIQ")
KIND_COMMAND, COMMAND_STEP = 5, 3

# Offsets of the header's atomic words, as docs/ring.md gives them.
AT_MAGIC, AT_FLAGS = 0, 8
AT_HEAD = 64
AT_PAUSE_REQUESTED, AT_NOTIFY_WANTED, AT_CONTROLLER_UNTIL = 152, 156, 160
AT_HUD_SEQ, AT_HUD = 192, 200
AT_INPUT_HEAD, AT_INPUT_TAIL, AT_INPUT_EVENTS = 4096, 4160, 4224


def align(count, step=64):
    return -(-count // step) * step


class PlainProducer:
    def __init__(self, run_id, width, height, overlay_columns, overlay_rows, capacity=8, lock=False):
        self.run_id, self.width, self.height = run_id, width, height
        self.overlay_columns, self.overlay_rows = overlay_columns, overlay_rows
        self.capacity = capacity
        self.overlay_offset = align(width * height * 3)
        self.payload_bytes_max = align(self.overlay_offset + overlay_columns * overlay_rows)
        self.slot_bytes = SLOT_HEADER_BYTES + self.payload_bytes_max
        self.frames = 0
        # The creator stays registered with Python's resource tracker: should this process be killed, the tracker
        # removes the segment. (A *reader* before Python 3.13 has to unregister, or it would do that to ours.)
        self.memory = shared_memory.SharedMemory(
            f"mosaic.run.{run_id}.fastlane", create=True, size=HEADER_BYTES + capacity * self.slot_bytes
        )
        # Atomic words are stored through casts: struct.pack_into writes zeros first, and a reader could see them.
        self.words32 = self.memory.buf.cast("I")
        self.words64 = self.memory.buf.cast("Q")
        self.lock_file = None
        flags = FLAG_RUNNING
        if lock:
            self.lock_file = open(f"/dev/shm/mosaic.run.{run_id}.fastlane", "r+b")
            fcntl.lockf(self.lock_file, fcntl.LOCK_EX | fcntl.LOCK_NB, 1, 0)
            flags |= FLAG_OWNER_LOCK
        struct.pack_into("<I", self.memory.buf, 4, 1)
        struct.pack_into(
            "<IQQQQI", self.memory.buf, 12, HEADER_BYTES, capacity, self.slot_bytes, self.payload_bytes_max,
            time.time_ns(), os.getpid(),
        )  # fmt: skip
        self.words32[AT_FLAGS // 4] = flags
        self.words32[AT_MAGIC // 4] = MAGIC  # last: the segment is ready
        self.socket = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM | socket.SOCK_NONBLOCK)
        self.socket_path = os.path.join(runtime_dir(), f"mosaic.run.{run_id}.sock")

    def publish(self, pixels, overlay, step, episode, reward):
        self.frames += 1
        slot = HEADER_BYTES + (self.frames - 1) % self.capacity * self.slot_bytes
        payload = slot + SLOT_HEADER_BYTES
        buffer = self.memory.buf
        self.words64[slot // 8] = 2 * self.frames - 1
        struct.pack_into(
            "<QQQdQQ11I", buffer, slot + 8, self.frames, step, episode, reward, time.monotonic_ns(), time.time_ns(),
            self.width, self.height, FORMAT_RGB8, self.width * 3, self.overlay_offset + len(overlay), 0,
            self.overlay_columns, self.overlay_rows, OVERLAY_HEAT8, len(overlay), self.overlay_offset,
        )  # fmt: skip
        buffer[payload : payload + len(pixels)] = pixels
        buffer[payload + self.overlay_offset : payload + self.overlay_offset + len(overlay)] = overlay
        self.words64[slot // 8] = 2 * self.frames
        self.words64[AT_HEAD // 8] = self.frames
        if self.controller_alive() and self.words32[AT_NOTIFY_WANTED // 4]:
            try:
                self.socket.sendto(struct.pack("<Q", self.frames), self.socket_path)
            except OSError:
                pass  # only a hint: whoever waits looks again by itself

    def set_hud(self, last_reward, avg_reward_1s, step_rate_hz, episode, step, episode_return, loss):
        seq = self.words64[AT_HUD_SEQ // 8]
        self.words64[AT_HUD_SEQ // 8] = seq + 1
        numbers = struct.pack(
            "<dddQQdd", last_reward, avg_reward_1s, step_rate_hz, episode, step, episode_return, loss
        )
        for index, word in enumerate(array.array("Q", numbers)):
            self.words64[AT_HUD // 8 + index] = word
        self.words64[AT_HUD_SEQ // 8] = seq + 2

    def controller_alive(self):
        return time.monotonic_ns() < self.words64[AT_CONTROLLER_UNTIL // 8]

    def take_inputs(self):
        """Events since the last call: (kind, code, x, y, buttons, modifiers, t_ns)."""
        tail, head = self.words64[AT_INPUT_TAIL // 8], self.words64[AT_INPUT_HEAD // 8]
        events = []
        for number in range(tail, head):
            place = AT_INPUT_EVENTS + number % INPUT_EVENTS_MAX * INPUT_EVENT.size
            events.append(INPUT_EVENT.unpack_from(self.memory.buf, place))
        self.words64[AT_INPUT_TAIL // 8] = head
        return events

    def pause_requested(self):
        return self.controller_alive() and self.words32[AT_PAUSE_REQUESTED // 4] != 0

    def show_paused(self, paused):
        flags = self.words32[AT_FLAGS // 4]
        self.words32[AT_FLAGS // 4] = flags | FLAG_PAUSED if paused else flags & ~FLAG_PAUSED

    def close(self):
        self.words32[AT_FLAGS // 4] = (self.words32[AT_FLAGS // 4] | FLAG_CLOSED) & ~FLAG_RUNNING
        self.words32.release()
        self.words64.release()
        self.memory.unlink()
        self.memory.close()
        if self.lock_file is not None:
            self.lock_file.close()


def runtime_dir():
    given = os.environ.get("TELEBRIDGE_RUNTIME_DIR")
    if given:
        return given
    session = os.environ.get("XDG_RUNTIME_DIR")
    return os.path.join(session, "telebridge") if session else f"/tmp/telebridge-{os.getuid()}"


def test_card(width, height, frame):
    """Colours that tell where and when: red to the right, green downwards, blue by the frame's number."""
    row_of = [bytes(channel for x in range(width) for channel in (x * 255 // width, y * 255 // height, frame % 256))
              for y in range(height)]  # fmt: skip
    return b"".join(row_of)


def heat_map(columns, rows, frame):
    return bytes((8 * index + frame) % 256 for index in range(columns * rows))


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run_id")
    parser.add_argument("--width", type=int, default=160)
    parser.add_argument("--height", type=int, default=120)
    parser.add_argument("--fps", type=float, default=30)
    parser.add_argument("--frames", type=int, default=0, help="publish so many, then stand still (0: no end)")
    parser.add_argument("--lock", action="store_true", help="hold the owner's lock, by fcntl")
    parser.add_argument("--echo", action="store_true", help="print input events, a line of JSON each")
    options = parser.parse_args()

    ending = []
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: ending.append(True))
    producer = PlainProducer(options.run_id, options.width, options.height, 8, 4, lock=options.lock)
    print(f"publishing {options.run_id}", file=sys.stderr, flush=True)
    episode_return = 0.0
    while not ending:
        inputs = producer.take_inputs()
        for event in inputs if options.echo else []:
            print(json.dumps(event), flush=True)
        stepped = any(event[:2] == (KIND_COMMAND, COMMAND_STEP) for event in inputs)
        paused = producer.pause_requested()
        producer.show_paused(paused)
        is_done = options.frames and producer.frames >= options.frames
        if not is_done and (stepped or not paused):
            frame = producer.frames + 1
            episode_return += 0.5
            producer.set_hud(0.5, 0.5, options.fps, 1, frame, episode_return, float("nan"))
            card = test_card(options.width, options.height, frame)
            producer.publish(card, heat_map(8, 4, frame), step=frame, episode=1, reward=0.5)
        time.sleep(1 / options.fps)
    producer.close()


if __name__ == "__main__":
    main()
