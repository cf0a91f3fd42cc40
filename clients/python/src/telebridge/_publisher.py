"""One stream of one run on one connection: a call for each kind of row, acknowledgements as they come.

A publisher lives as long as its connection. When anything fails it has an ``error``, and its owner makes another one,
which asks the server how far the stream has come and goes on from there.
"""

from __future__ import annotations

import hashlib
import json
import os
import pathlib
import queue
import threading
import time
from typing import Any, Dict, Iterable, Iterator, Optional

import grpc

from . import _layout as at
from ._discovery import Address
from ._protocol import RUN_STATE_FAILED, RUN_STATE_FINISHED, STORE_STATE_FAILING, message_class, method
from ._rows import REQUESTS, SEQUENCE_FIELDS, Message, define

_UNARY_TIMEOUT_S = 2.0
# Calls that were half-closed are given so long to end before the channel cancels them.
_GOODBYE_S = 1.0
_CHUNK_BYTES = 1 << 20
# Until the call's first acknowledgement says how many.
_FIRST_CREDITS = 1
_CHANNEL_OPTIONS = (
    ("grpc.max_send_message_length", 16 << 20),
    ("grpc.keepalive_time_ms", 20_000),
    ("grpc.keepalive_timeout_ms", 5_000),
)


def open_channel(address: Address) -> grpc.Channel:
    options = [*_CHANNEL_OPTIONS, *address.options]
    if address.certificate_pem is None:
        return grpc.insecure_channel(address.target, options)
    return grpc.secure_channel(address.target, grpc.ssl_channel_credentials(address.certificate_pem), options)


class _Call:
    """A publishing call: requests go out of a queue, a thread takes the acknowledgements."""

    def __init__(self, publisher: "Publisher", kind: int, committed: int) -> None:
        self._publisher = publisher
        self._requests: "queue.SimpleQueue[Optional[bytes]]" = queue.SimpleQueue()
        self._kind = kind
        self._is_open = False
        self._defined: Dict[int, str] = {}
        self.committed = committed
        self.synced = 0
        self.sent = committed
        self.credits = _FIRST_CREDITS
        self.state = 0
        self.reason = ""
        name, request_class = REQUESTS[kind]
        make = publisher.channel.stream_stream(
            f"/telebridge.v1.PublishService/{name}",
            request_serializer=None,
            response_deserializer=message_class("PublishAck").FromString,
        )
        self._request_class = request_class
        self._responses = make(iter(self._requests.get, None), metadata=publisher.metadata)
        self.thread = threading.Thread(target=self._take_acks, name=f"acks of {name}", daemon=True)
        self.thread.start()

    def send(self, message: Message) -> None:
        request = message.request
        request.first_sequence = message.first
        new = {index: name for index, name in message.series.items() if self._defined.get(index) != name}
        define(message, new)
        self._defined.update(new)
        if not self._is_open:
            self._is_open = True
            self._open(request)
        self._requests.put(request.SerializeToString())
        request.ClearField("open")
        define(message, {})
        self.sent = message.last

    def ask(self) -> None:
        """Opens the call without a row, to learn how far the store has come."""
        if not self._is_open:
            self._is_open = True
            request = self._request_class(first_sequence=self.committed + 1)
            self._open(request)
            self._requests.put(request.SerializeToString())

    def _open(self, request: Any) -> None:
        request.open.run_id = self._publisher.run_id
        request.open.stream_id = self._publisher.stream_id
        request.open.want_synced = self._publisher.want_synced

    def _take_acks(self) -> None:
        try:
            for ack in self._responses:
                self.committed = max(self.committed, ack.committed_sequence)
                self.synced = max(self.synced, ack.synced_sequence)
                self.credits = ack.credits
                self.state, self.reason = ack.state, ack.reason
                self._publisher.wake.set()
            self._publisher.fail(self._kind, None)
        except grpc.RpcError as error:
            self._publisher.fail(self._kind, error)

    def end(self) -> None:
        self._requests.put(None)


class _Files:
    """Uploads checkpoints, one at a time, in a thread; each is a row of a kind of its own."""

    def __init__(self, publisher: "Publisher", committed: int) -> None:
        self._publisher = publisher
        self._messages: "queue.SimpleQueue[Optional[Message]]" = queue.SimpleQueue()
        self.committed = self.sent = committed
        self.credits = 1
        self.state = 0
        self.reason = ""
        self.thread = threading.Thread(target=self._upload_all, name="checkpoints", daemon=True)
        self.thread.start()

    @property
    def synced(self) -> int:
        return self.committed  # files are answered once they are synced

    def send(self, message: Message) -> None:
        self.sent = message.last
        self._messages.put(message)

    def ask(self) -> None:
        pass

    def end(self) -> None:
        self._messages.put(None)

    def _upload_all(self) -> None:
        upload = method(self._publisher.channel, "PublishService", "PublishCheckpoint")
        for message in iter(self._messages.get, None):
            body = message.request
            try:
                upload(self._parts(body), metadata=self._publisher.metadata)
            except grpc.RpcError as error:
                if error.code() not in (grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.FAILED_PRECONDITION):
                    self._publisher.fail(at.KIND_CHECKPOINTS, error)
                    return
                self._publisher.complain(f"checkpoint {body['name']!r} is refused: {error.details()}")
            except OSError as error:
                self._publisher.complain(f"checkpoint {body['name']!r} cannot be read: {error}")
            if body.get("kept_path"):
                pathlib.Path(body["kept_path"]).unlink(missing_ok=True)
            self.committed = message.last
            self._publisher.wake.set()

    def _parts(self, body: Dict[str, Any]) -> Iterator[Any]:
        request_class = message_class("PublishCheckpointRequest")
        with open(body.get("kept_path") or body["path"], "rb") as file:
            size_bytes = os.fstat(file.fileno()).st_size
            digest = hashlib.sha256()
            while chunk := file.read(_CHUNK_BYTES):
                digest.update(chunk)
            request = request_class()
            header = request.header
            header.run_id, header.stream_id = self._publisher.run_id, self._publisher.stream_id
            header.checkpoint.name = body["name"]
            header.checkpoint.time_unix_ns = body["time_unix_ns"]
            if body["step"] is not None:
                header.checkpoint.step = body["step"]
            header.checkpoint.size_bytes = size_bytes
            header.checkpoint.sha256 = digest.digest()
            header.checkpoint.metadata_json = body["metadata_json"]
            yield request
            file.seek(0)
            while chunk := file.read(_CHUNK_BYTES):
                yield request_class(chunk=chunk)


class Publisher:
    """Sends messages of a stream. Made by its owner's thread and used by that alone; ``wake`` is set when something has
    come. Raises grpc.RpcError when the server does not answer the registration."""

    def __init__(
        self,
        address: Address,
        run_id: str,
        stream_id: bytes,
        config: Dict[str, Any],
        wake: threading.Event,
        want_synced: bool = False,
    ) -> None:
        self.run_id = run_id
        self.stream_id = stream_id
        self.metadata = address.metadata
        self.want_synced = want_synced
        self.wake = wake
        #: Why the connection is of no use any more.
        self.error: Optional[str] = None
        #: The kind of message that the server refuses for good, and why.
        self.rejected: Optional[Dict[int, str]] = None
        self.complaints: "queue.SimpleQueue[str]" = queue.SimpleQueue()
        self._closing = False
        self._calls: Dict[int, Any] = {}
        self.channel = open_channel(address)
        try:
            answer = method(self.channel, "RunService", "RegisterRun")(
                message_class("RegisterRunRequest")(
                    run_id=run_id,
                    stream_id=stream_id,
                    start_time_unix_ns=config["start_time_unix_ns"],
                    tags=config["tags"],
                    metadata_json=json.dumps(config["metadata"]),
                ),
                metadata=self.metadata,
                timeout=_UNARY_TIMEOUT_S,
            )
        except BaseException:
            self.channel.close()
            raise
        #: Of each kind what the server has.
        self.registered = {kind: int(getattr(answer.committed, name)) for kind, name in SEQUENCE_FIELDS.items()}

    def committed(self, kind: int) -> int:
        call = self._calls.get(kind)
        return call.committed if call else self.registered.get(kind, 0)

    def synced(self, kind: int) -> int:
        call = self._calls.get(kind)
        return call.synced if call else 0

    def sent(self, kind: int) -> int:
        call = self._calls.get(kind)
        return call.sent if call else self.registered.get(kind, 0)

    def can_take(self, message: Message) -> bool:
        """Whether the server has credits for this message: always for one, where it gives any at all."""
        call = self._calls.get(message.kind)
        if call is None:
            return True
        on_way = call.sent - call.committed
        if on_way <= 0:
            return call.credits > 0
        return on_way + message.rows <= call.credits

    def send(self, message: Message) -> None:
        self._call(message.kind, message.first - 1).send(message)

    def ask(self, kind: int) -> None:
        self._call(kind, self.registered.get(kind, 0)).ask()

    def _call(self, kind: int, before: int) -> Any:
        call = self._calls.get(kind)
        if call is None:
            if kind == at.KIND_CHECKPOINTS:
                call = _Files(self, before)
            else:
                call = _Call(self, kind, self.registered[kind])
            self._calls[kind] = call
        return call

    @property
    def failing_reason(self) -> Optional[str]:
        """Why the store takes nothing now."""
        for call in self._calls.values():
            if call.state == STORE_STATE_FAILING:
                return call.reason or "it cannot write"
        return None

    def finish_run(self, body: Dict[str, Any]) -> None:
        """Raises grpc.RpcError."""
        method(self.channel, "RunService", "FinishRun")(
            message_class("FinishRunRequest")(
                run_id=self.run_id,
                stream_id=self.stream_id,
                end_time_unix_ns=body["time_unix_ns"],
                state=RUN_STATE_FAILED if body["state"] == "FAILED" else RUN_STATE_FINISHED,
                reason=body["reason"],
            ),
            metadata=self.metadata,
            timeout=_UNARY_TIMEOUT_S,
        )

    def fail(self, kind: int, error: Optional[grpc.RpcError]) -> None:
        """A call has ended."""
        if self._closing or self.error is not None:
            return
        if error is None:
            self.error = "the server ended the call"
        else:
            if error.code() == grpc.StatusCode.INVALID_ARGUMENT:
                self.rejected = {kind: error.details() or "no reason given"}
            self.error = f"{error.code().name}: {error.details()}"
        self.wake.set()

    def complain(self, text: str) -> None:
        self.complaints.put(text)

    def close(self) -> None:
        """Half-closes the calls, and waits a moment for their ends: a channel that closes under them cancels them."""
        self._closing = True
        for call in self._calls.values():
            call.end()
        join_all([call.thread for call in self._calls.values()], _GOODBYE_S)
        self.channel.close()


def join_all(threads: Iterable[threading.Thread], timeout_s: float) -> None:
    """Waits for their ends, no longer than this in all."""
    give_up_s = time.monotonic() + timeout_s
    for thread in threads:
        thread.join(max(0.0, give_up_s - time.monotonic()))
