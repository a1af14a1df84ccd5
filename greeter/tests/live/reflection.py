"""Finds the services by reflection, and greets by what it finds."""

import sys

import grpc
from google.protobuf import descriptor_pool, message_factory
from grpc_reflection.v1alpha import reflection_pb2
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (
    ProtoReflectionDescriptorDatabase,
)

LIMIT = 10
NAMES = {"greeter.v1.Greeter", "pb.Greeter", "grpc.health.v1.Health"}

with grpc.insecure_channel(sys.argv[1], options=[("grpc.enable_http_proxy", 0)]) as channel:
    # v1alpha, by its own client.
    database = ProtoReflectionDescriptorDatabase(channel)
    assert NAMES <= set(database.get_services()), database.get_services()
    pool = descriptor_pool.DescriptorPool(database)
    for service in ["greeter.v1.Greeter", "pb.Greeter"]:
        method = pool.FindServiceByName(service).FindMethodByName("Greeting")
        assert method.input_type.fields_by_name["name"].number == 1
        assert method.output_type.fields_by_name["greeting"].number == 2
        ask = message_factory.GetMessageClass(method.input_type)
        told = message_factory.GetMessageClass(method.output_type)
        greet = channel.unary_unary(
            f"/{service}/Greeting", ask.SerializeToString, told.FromString
        )
        assert greet(ask(name="Ada"), timeout=LIMIT).greeting == "Hello, Ada!"

    # v1 has the same messages under another name.
    for version in ["v1", "v1alpha"]:
        info = channel.stream_stream(
            f"/grpc.reflection.{version}.ServerReflection/ServerReflectionInfo",
            reflection_pb2.ServerReflectionRequest.SerializeToString,
            reflection_pb2.ServerReflectionResponse.FromString,
        )
        questions = [
            reflection_pb2.ServerReflectionRequest(list_services=""),
            reflection_pb2.ServerReflectionRequest(file_containing_symbol="pb.Greeter"),
            reflection_pb2.ServerReflectionRequest(file_by_filename="greeter/v1/greeter.proto"),
        ]
        listed, symbol, file = info(iter(questions), timeout=LIMIT)
        assert NAMES <= {service.name for service in listed.list_services_response.service}
        assert symbol.file_descriptor_response.file_descriptor_proto, symbol
        assert file.file_descriptor_response.file_descriptor_proto, file

print("ok")
