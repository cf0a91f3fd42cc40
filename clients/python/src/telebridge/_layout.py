"""Where everything stands in the memory that a trainer and its sender share. The contract is in :mod:`._queue`."""

from __future__ import annotations

import struct

MAGIC_AND_VERSION = 0x0001_4455_5145_4C54  # "TLEQUD", 1

# Offsets in 64-bit words.
WORD_MAGIC = 0
WORD_CAPACITY_BYTES = 1
WORD_DEFINITIONS_CAPACITY_BYTES = 2
WORD_CONFIG_BYTES = 3
# The trainer's.
WORD_HEAD = 8
WORD_DEFINITIONS_HEAD = 9
WORD_ROWS_DROPPED = 10
WORD_CLOSED = 11
WORD_FLUSH_POSITION = 12
WORD_SYNCED_WANTED = 13
WORD_ROWS_COALESCED = 14
# The sender's: which of the two progress records holds, and the records.
WORD_PROGRESS = 16
WORDS_PROGRESS_A = 24
WORDS_PROGRESS_B = 40
# The sender's, for people.
WORD_COMMITTED_POSITION = 64
WORD_SYNCED_POSITION = 65
WORD_ROWS_SENT = 66
WORD_ROWS_ACKED = 67
WORD_ROWS_SPOOLED = 68
WORD_ROWS_REJECTED = 69
WORD_STATE = 70
WORD_NOTICES = 71

NOTICE_BYTE = 1024
NOTICE_BYTES_MAX = 1020
CONFIG_BYTE = 4096
HEADER_BYTES = 65536

STATE_STARTING, STATE_CONNECTED, STATE_AWAY = 0, 1, 2

# bytes (without padding), kind, layout (of samples), CLOCK_REALTIME in ns.
RECORD_HEADER = struct.Struct("<IHHq")
# step, episode, reward, flags; the text of its extra follows.
STEP_BODY = struct.Struct("<QQdQ")
STEP_RECORD = struct.Struct("<IHHqQQdQ")
NO_STEP = 2**64 - 1
FLAG_TERMINATED, FLAG_TRUNCATED = 1, 2

KIND_PADDING = 0
KIND_STEPS = 1
KIND_EPISODES = 2
KIND_SAMPLES = 3
KIND_LOGS = 4
KIND_PARAMS = 5
KIND_HISTOGRAMS = 6
KIND_CHECKPOINTS = 7
KIND_FINISH = 8
KINDS = range(KIND_STEPS, KIND_FINISH + 1)

RECORD_BYTES_MAX = 2 << 20
LAYOUTS_MAX = 65536
SERIES_MAX = 65536
FOREVER_NS = 2**63 - 1
