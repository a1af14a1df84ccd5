"""Greets under both names of the service."""

import sys

import grpc
from messages import reply, request

LIMIT = 10


def fails(call, name, code, **options):
    try:
        greeting = call(name, **{"timeout": LIMIT, **options})
    except grpc.RpcError as error:
        assert error.code() == code, (name, error)
        return error
    raise AssertionError(f"{name!r} was greeted: {greeting}")


with grpc.insecure_channel(sys.argv[1], options=[("grpc.enable_http_proxy", 0)]) as channel:
    for service in ["greeter.v1.Greeter", "pb.Greeter"]:
        greet = channel.unary_unary(f"/{service}/Greeting", request, reply)
        for name in ["Ada", "Zoë", "a" * 256]:
            assert greet(name, timeout=LIMIT) == f"Hello, {name}!"

        greeting, call = greet.with_call("Ada", timeout=LIMIT, metadata=[("x-request-id", "the-id")])
        assert ("x-request-id", "the-id") in call.initial_metadata(), call.initial_metadata()

        error = fails(greet, "", grpc.StatusCode.INVALID_ARGUMENT)
        assert "say whom to greet" in error.details(), error
        assert any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata())
        error = fails(greet, "a" * 257, grpc.StatusCode.INVALID_ARGUMENT)
        assert "at most 256 bytes" in error.details(), error

        # The library rounds a time-out up to one that may do; this one is the server's to judge.
        late = {"metadata": [("grpc-timeout", "0n")], "timeout": None}
        error = fails(greet, "Ada", grpc.StatusCode.DEADLINE_EXCEEDED, **late)
        assert error.details() == "deadline exceeded", error

        part = channel.unary_unary(f"/{service}/Parting", request, reply)
        fails(part, "Ada", grpc.StatusCode.UNIMPLEMENTED)

    nobody = channel.unary_unary("/nobody.Nothing/Greeting", request, reply)
    fails(nobody, "Ada", grpc.StatusCode.UNIMPLEMENTED)

print("ok")
