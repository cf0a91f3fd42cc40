"""The messages of proto/telebridge/v1, made at import from the descriptor set that the wheel carries: no generated
code, so that protobuf may be 3.21 or the newest. Only the sender imports this."""

from __future__ import annotations

import pathlib
from typing import Any, Tuple

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

PACKAGE = "telebridge.v1"
_DESCRIPTORS = pathlib.Path(__file__).with_name("telebridge.binpb")


def _load_pool() -> Any:
    pool = descriptor_pool.DescriptorPool()
    files = descriptor_pb2.FileDescriptorSet.FromString(_DESCRIPTORS.read_bytes())
    for file in files.file:
        pool.AddSerializedFile(file.SerializeToString())
    return pool


_pool = _load_pool()


def message_class(name: str) -> Any:
    """The class of a message, such as "PublishAck"."""
    descriptor = _pool.FindMessageTypeByName(f"{PACKAGE}.{name}")
    if hasattr(message_factory, "GetMessageClass"):
        return message_factory.GetMessageClass(descriptor)
    return message_factory.MessageFactory(_pool).GetPrototype(descriptor)


def method(channel: Any, service: str, name: str) -> Any:
    """A call of a service on a grpc.Channel, of the kind that its descriptor says."""
    found = _pool.FindServiceByName(f"{PACKAGE}.{service}").FindMethodByName(name)
    kinds: Tuple[str, str] = _streaming_of(service, name)
    make = getattr(channel, "_".join(kinds))
    return make(
        f"/{PACKAGE}.{service}/{name}",
        request_serializer=message_class(found.input_type.name).SerializeToString,
        response_deserializer=message_class(found.output_type.name).FromString,
    )


def _streaming_of(service: str, name: str) -> Tuple[str, str]:
    # MethodDescriptor has the two flags only from protobuf 3.20 on in some builds; its own message always has.
    descriptor = descriptor_pb2.ServiceDescriptorProto()
    _pool.FindServiceByName(f"{PACKAGE}.{service}").CopyToProto(descriptor)
    proto = next(method for method in descriptor.method if method.name == name)
    return ("stream" if proto.client_streaming else "unary", "stream" if proto.server_streaming else "unary")


RUN_STATE_FINISHED, RUN_STATE_FAILED = 2, 3
LOG_LEVELS = {"debug": 1, "info": 2, "warning": 3, "error": 4}
STORE_STATE_FAILING = 3
