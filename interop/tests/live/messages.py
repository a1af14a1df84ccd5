"""The messages of the test service, from the descriptors that are committed beside the Rust code."""

import pathlib

from google.protobuf import descriptor_pb2, descriptor_pool, message_factory

FOLDER = pathlib.Path(__file__).parents[2]
DESCRIPTORS = descriptor_pb2.FileDescriptorSet.FromString((FOLDER / "src/pb/interop.bin").read_bytes())
POOL = descriptor_pool.DescriptorPool()
for file in DESCRIPTORS.file:
    POOL.Add(file)


def message(name):
    return message_factory.GetMessageClass(POOL.FindMessageTypeByName(f"grpc.testing.{name}"))


SERVICE = "grpc.testing.TestService"
Empty = message("Empty")
Payload = message("Payload")
EchoStatus = message("EchoStatus")
SimpleRequest = message("SimpleRequest")
SimpleResponse = message("SimpleResponse")
StreamingInputCallRequest = message("StreamingInputCallRequest")
StreamingInputCallResponse = message("StreamingInputCallResponse")
ResponseParameters = message("ResponseParameters")
StreamingOutputCallRequest = message("StreamingOutputCallRequest")
StreamingOutputCallResponse = message("StreamingOutputCallResponse")

INITIAL = "x-grpc-test-echo-initial"
TRAILING = "x-grpc-test-echo-trailing-bin"
MOST = 4 * 1024 * 1024
DOMAIN = "interop.kit"


def zeros(size):
    return Payload(body=bytes(size))
