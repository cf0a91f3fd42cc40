"""Makes messages of the durable lane's protocol from what the queue holds."""

from __future__ import annotations

import json
from typing import Any, Dict, Iterator, List, NamedTuple, Sequence, Tuple

import numpy as np

from . import _layout as at
from ._protocol import LOG_LEVELS, message_class

ROWS_MAX = 8192
# Of a message without columns; the server takes 4 MiB.
_BYTES_MAX = 1 << 20
REJECTED_NAME = "telebridge/rejected"

REQUESTS = {
    at.KIND_STEPS: ("PublishRunSteps", message_class("PublishRunStepsRequest")),
    at.KIND_EPISODES: ("PublishRunEpisodes", message_class("PublishRunEpisodesRequest")),
    at.KIND_SAMPLES: ("PublishSamples", message_class("PublishSamplesRequest")),
    at.KIND_LOGS: ("PublishLogs", message_class("PublishLogsRequest")),
    at.KIND_PARAMS: ("PublishParams", message_class("PublishParamsRequest")),
    at.KIND_HISTOGRAMS: ("PublishHistograms", message_class("PublishHistogramsRequest")),
}
SEQUENCE_FIELDS = {
    at.KIND_STEPS: "steps",
    at.KIND_EPISODES: "episodes",
    at.KIND_SAMPLES: "samples",
    at.KIND_LOGS: "logs",
    at.KIND_PARAMS: "params",
    at.KIND_HISTOGRAMS: "histograms",
}


class Message:
    """Rows of one kind with consecutive sequence numbers. `request` has no `open`, and of samples no definitions."""

    __slots__ = ("kind", "first", "rows", "request", "series", "bytes")

    def __init__(self, kind: int, first: int, rows: int, request: Any, series: Dict[int, str]) -> None:
        self.kind = kind
        self.first = first
        self.rows = rows
        #: A protobuf message; of checkpoints and of the run's end a dictionary.
        self.request = request
        #: The names that samples use, by index.
        self.series = series
        self.bytes = len(json.dumps(request)) if isinstance(request, dict) else request.ByteSize()

    @property
    def last(self) -> int:
        return self.first + self.rows - 1


class Packer:
    """Numbers rows, and packs them. `sequences` are those of the last row so far, by kind."""

    def __init__(self, sequences: Sequence[int]) -> None:
        self.sequences = list(sequences)
        self._series: Dict[str, int] = {}
        # For each layout the indices of its names, as a column has them.
        self._columns: List[np.ndarray] = []

    def pack(
        self,
        samples: List[Tuple[int, bytes]],
        others: List[Tuple[int, int, bytes]],
        layouts: Sequence[Tuple[str, ...]],
    ) -> List[Message]:
        for names in layouts[len(self._columns) :]:
            indices = [self._series.setdefault(name, len(self._series)) for name in names]
            self._columns.append(np.array(indices, "<u4"))
        messages = list(self._pack_samples(samples, layouts))
        by_kind: Dict[int, List[Tuple[int, bytes]]] = {}
        for kind, time_ns, body in others:
            by_kind.setdefault(kind, []).append((time_ns, body))
        for kind, rows in by_kind.items():
            if kind == at.KIND_STEPS:
                messages.extend(self._pack_steps(rows))
            elif kind in REQUESTS:
                messages.extend(self._pack_objects(kind, rows))
            elif kind in at.KINDS:
                for time_ns, body in rows:
                    body_json = {**json.loads(body), "time_unix_ns": time_ns}
                    messages.append(Message(kind, self._number(kind, 1), 1, body_json, {}))
        return messages

    def _number(self, kind: int, rows: int) -> int:
        """The sequence number of the first of so many rows."""
        first = self.sequences[kind] + 1
        self.sequences[kind] += rows
        return first

    def _pack_samples(self, records: List[Tuple[int, bytes]], layouts: Sequence[Tuple[str, ...]]) -> Iterator[Message]:
        if not records:
            return
        words = np.frombuffer(b"".join([body for _, body in records]), "<u8")
        word_counts = np.array([len(body) for _, body in records]) // 8
        begins = np.cumsum(word_counts) - word_counts
        is_value = np.ones(len(words), bool)
        is_value[begins] = is_value[begins + 1] = False
        values = words[is_value]
        times = np.repeat(words[begins], word_counts - 2)
        steps = np.repeat(words[begins + 1], word_counts - 2)
        series = np.concatenate([self._columns[layout] for layout, _ in records])
        names = list(self._series)
        for begin in range(0, len(values), ROWS_MAX):
            part = slice(begin, min(begin + ROWS_MAX, len(values)))
            rows = part.stop - begin
            request = REQUESTS[at.KIND_SAMPLES][1]()
            request.columns.series = series[part].tobytes()
            request.columns.time_unix_ns = times[part].tobytes()
            if (steps[part] != at.NO_STEP).any():
                request.columns.step = steps[part].tobytes()
            request.columns.value = values[part].tobytes()
            used = {int(index): names[index] for index in np.unique(series[part])}
            yield Message(at.KIND_SAMPLES, self._number(at.KIND_SAMPLES, rows), rows, request, used)

    def _pack_steps(self, records: List[Tuple[int, bytes]]) -> Iterator[Message]:
        body_bytes = at.STEP_BODY.size
        for begin in range(0, len(records), ROWS_MAX):
            part = records[begin : begin + ROWS_MAX]
            words = np.frombuffer(b"".join([body[:body_bytes] for _, body in part]), "<u8").reshape(-1, 4)
            request = REQUESTS[at.KIND_STEPS][1]()
            columns = request.columns
            columns.step = words[:, 0].tobytes()
            columns.time_unix_ns = np.array([time_ns for time_ns, _ in part], "<i8").tobytes()
            columns.episode = words[:, 1].tobytes()
            columns.reward = words[:, 2].tobytes()
            columns.flags = words[:, 3].astype(np.uint8).tobytes()
            if any(len(body) > body_bytes for _, body in part):
                columns.extra_json.extend([body[body_bytes:].decode() for _, body in part])
            yield Message(at.KIND_STEPS, self._number(at.KIND_STEPS, len(part)), len(part), request, {})

    def _pack_objects(self, kind: int, records: List[Tuple[int, bytes]]) -> Iterator[Message]:
        make = REQUESTS[kind][1]
        request, request_bytes = make(), 0
        for time_ns, body in records:
            if request.rows and request_bytes + len(body) > _BYTES_MAX:
                yield Message(kind, self._number(kind, len(request.rows)), len(request.rows), request, {})
                request, request_bytes = make(), 0
            request_bytes += len(body)
            _FILLERS[kind](request.rows.add(), time_ns, json.loads(body))
        yield Message(kind, self._number(kind, len(request.rows)), len(request.rows), request, {})


def _fill_episode(row: Any, time_ns: int, body: Dict[str, Any]) -> None:
    row.end_time_unix_ns = time_ns
    for name in ("episode", "start_time_unix_ns", "first_step", "length", "episode_return", "extra_json"):
        setattr(row, name, body[name])
    row.terminated = body["terminated"]
    row.truncated = body["truncated"]


def _fill_log(row: Any, time_ns: int, body: Dict[str, Any]) -> None:
    row.time_unix_ns = time_ns
    row.level = LOG_LEVELS[body["level"]]
    row.source = body["source"]
    row.text = body["text"]
    if body["step"] is not None:
        row.step = body["step"]


def _fill_param(row: Any, time_ns: int, body: Dict[str, Any]) -> None:
    row.time_unix_ns = time_ns
    row.key = body["key"]
    row.value_json = body["value_json"]


def _fill_histogram(row: Any, time_ns: int, body: Dict[str, Any]) -> None:
    row.time_unix_ns = time_ns
    row.series = body["series"]
    row.edges.extend(body["edges"])
    row.counts.extend(body["counts"])
    if body["step"] is not None:
        row.step = body["step"]


_FILLERS: Dict[int, Any] = {
    at.KIND_EPISODES: _fill_episode,
    at.KIND_LOGS: _fill_log,
    at.KIND_PARAMS: _fill_param,
    at.KIND_HISTOGRAMS: _fill_histogram,
}


class Encoded(NamedTuple):
    """A message for the spool."""

    kind: int
    first: int
    rows: int
    payload: bytes


def encode(message: Message) -> Encoded:
    """The message by itself, with its definitions."""
    if isinstance(message.request, dict):
        return Encoded(message.kind, message.first, message.rows, json.dumps(message.request).encode())
    define(message, message.series)
    payload = message.request.SerializeToString()
    define(message, {})
    return Encoded(message.kind, message.first, message.rows, payload)


def decode(encoded: Encoded) -> Message:
    """The other way round."""
    kind, first, rows, payload = encoded
    if kind not in REQUESTS:
        return Message(kind, first, rows, json.loads(payload), {})
    request = REQUESTS[kind][1].FromString(payload)
    series: Dict[int, str] = {}
    if kind == at.KIND_SAMPLES:
        series = {definition.index: definition.name for definition in request.columns.definitions}
        del request.columns.definitions[:]
    return Message(kind, first, rows, request, series)


def define(message: Message, series: Dict[int, str]) -> None:
    """Puts these definitions into a message of samples, in place of those in it."""
    if message.kind != at.KIND_SAMPLES:
        return
    definitions = message.request.columns.definitions
    del definitions[:]
    for index, name in series.items():
        definitions.add(index=index, name=name)


def stand_in(message: Message, why: str) -> Message:
    """As many rows that can surely be stored, in place of some that the server refuses: numbers must have no gaps."""
    kind, rows = message.kind, message.rows
    request = REQUESTS[kind][1]()
    series: Dict[int, str] = {}
    if kind == at.KIND_SAMPLES:
        index = at.SERIES_MAX - 1
        series = {index: REJECTED_NAME}
        request.columns.series = np.full(rows, index, "<u4").tobytes()
        request.columns.time_unix_ns = message.request.columns.time_unix_ns
        request.columns.value = np.full(rows, np.nan, "<f8").tobytes()
    elif kind == at.KIND_STEPS:
        request.columns.CopyFrom(message.request.columns)
        del request.columns.extra_json[:]
    else:
        for row in message.request.rows:
            _stand_in_row(kind, request.rows.add(), row, why)
    return Message(kind, message.first, rows, request, series)


def _stand_in_row(kind: int, target: Any, row: Any, why: str) -> None:
    if kind == at.KIND_EPISODES:
        target.CopyFrom(row)
        target.extra_json = ""
        return
    target.time_unix_ns = row.time_unix_ns
    if kind == at.KIND_LOGS:
        target.source, target.text, target.level = REJECTED_NAME, why[:1000], LOG_LEVELS["warning"]
    elif kind == at.KIND_PARAMS:
        target.key, target.value_json = REJECTED_NAME, json.dumps(why[:1000])
    else:
        target.series = REJECTED_NAME
        target.edges.extend([0.0, 1.0])
        target.counts.append(0)
