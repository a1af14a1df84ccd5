"""Checks, watches and lists the health of the server and of each of its names."""

import sys

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

LIMIT = 10
SERVING = health_pb2.HealthCheckResponse.SERVING

with grpc.insecure_channel(sys.argv[1], options=[("grpc.enable_http_proxy", 0)]) as channel:
    health = health_pb2_grpc.HealthStub(channel)
    for service in ["", "greeter.v1.Greeter", "pb.Greeter"]:
        asked = health_pb2.HealthCheckRequest(service=service)
        assert health.Check(asked, timeout=LIMIT).status == SERVING, service
        watch = health.Watch(asked, timeout=LIMIT)
        assert next(watch).status == SERVING, service
        watch.cancel()

    listed = health.List(health_pb2.HealthListRequest(), timeout=LIMIT).statuses
    states = {service: state.status for service, state in listed.items()}
    assert states == {"": SERVING, "greeter.v1.Greeter": SERVING, "pb.Greeter": SERVING}, states

    nobody = health_pb2.HealthCheckRequest(service="nobody")
    try:
        health.Check(nobody, timeout=LIMIT)
        raise AssertionError("nobody is well")
    except grpc.RpcError as error:
        assert error.code() == grpc.StatusCode.NOT_FOUND, error
    watch = health.Watch(nobody, timeout=LIMIT)
    assert next(watch).status == health_pb2.HealthCheckResponse.SERVICE_UNKNOWN
    watch.cancel()

print("ok")
