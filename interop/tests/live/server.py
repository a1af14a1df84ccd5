"""The test service. It prints its port, and then what becomes of each call; it ends with its input."""

import concurrent.futures
import sys
import threading

import grpc
from google.protobuf import any_pb2, duration_pb2
from google.rpc import error_details_pb2, status_pb2
from grpc_status import rpc_status

from messages import (
    DOMAIN,
    INITIAL,
    MOST,
    SERVICE,
    TRAILING,
    Empty,
    SimpleRequest,
    SimpleResponse,
    StreamingInputCallRequest,
    StreamingInputCallResponse,
    StreamingOutputCallRequest,
    StreamingOutputCallResponse,
    zeros,
)

printing = threading.Lock()


def tell(*words):
    with printing:
        print(*words, flush=True)


class Watched:
    """A call: says when it begins, with what is left of its deadline, and when it is over."""

    def __init__(self, name, context):
        self.over = threading.Event()
        left = context.time_remaining()
        tell("begun", name, "-" if left is None else left)

        def end():
            tell("over", name)
            self.over.set()

        if not context.add_callback(end):
            end()


def refuse(context, code, message, *details):
    packed = []
    for detail in details:
        packed.append(any_pb2.Any())
        packed[-1].Pack(detail)
    status = status_pb2.Status(code=code.value[0], message=message, details=packed)
    context.abort_with_status(rpc_status.to_status(status))


def payload(size, context):
    if size < 0:
        message = f"the size {size} is negative"
        violation = error_details_pb2.BadRequest.FieldViolation(
            field="response_size", description=message
        )
        refuse(
            context,
            grpc.StatusCode.INVALID_ARGUMENT,
            message,
            error_details_pb2.ErrorInfo(
                reason="SIZE_NEGATIVE", domain=DOMAIN, metadata={"size": str(size)}
            ),
            error_details_pb2.BadRequest(field_violations=[violation]),
        )
    if size > MOST:
        violation = error_details_pb2.QuotaFailure.Violation(
            subject="response_size", description=f"at most {MOST}"
        )
        refuse(
            context,
            grpc.StatusCode.RESOURCE_EXHAUSTED,
            f"the size {size} is over {MOST}",
            error_details_pb2.RetryInfo(
                retry_delay=duration_pb2.Duration(seconds=2, nanos=500_000_000)
            ),
            error_details_pb2.QuotaFailure(violations=[violation]),
        )
    return zeros(size)


def fail_as_asked(request, context):
    if request.HasField("response_status"):
        asked = request.response_status
        code = next(code for code in grpc.StatusCode if code.value[0] == asked.code)
        context.abort(code, asked.message)


def echo(context):
    for key, value in context.invocation_metadata():
        if key == INITIAL:
            context.send_initial_metadata([(key, value)])
        elif key == TRAILING:
            context.set_trailing_metadata([(key, value)])


def empty_call(request, context):
    Watched("EmptyCall", context)
    return Empty()


def unary_call(request, context):
    Watched("UnaryCall", context)
    echo(context)
    fail_as_asked(request, context)
    return SimpleResponse(payload=payload(request.response_size, context))


def replies(request, context, watched):
    fail_as_asked(request, context)
    for asked in request.response_parameters:
        # Not slept through: nobody may be there any more.
        if asked.interval_us and watched.over.wait(asked.interval_us / 1e6):
            return
        yield StreamingOutputCallResponse(payload=payload(asked.size, context))


def streaming_output_call(request, context):
    watched = Watched("StreamingOutputCall", context)
    yield from replies(request, context, watched)


def streaming_input_call(requests, context):
    Watched("StreamingInputCall", context)
    size = sum(len(request.payload.body) for request in requests)
    return StreamingInputCallResponse(aggregated_payload_size=size)


def full_duplex_call(requests, context):
    watched = Watched("FullDuplexCall", context)
    echo(context)
    for request in requests:
        yield from replies(request, context, watched)


def method(kind, handler, request, response):
    return kind(handler, request.FromString, response.SerializeToString)


METHODS = {
    "EmptyCall": method(grpc.unary_unary_rpc_method_handler, empty_call, Empty, Empty),
    "UnaryCall": method(
        grpc.unary_unary_rpc_method_handler, unary_call, SimpleRequest, SimpleResponse
    ),
    "StreamingOutputCall": method(
        grpc.unary_stream_rpc_method_handler,
        streaming_output_call,
        StreamingOutputCallRequest,
        StreamingOutputCallResponse,
    ),
    "StreamingInputCall": method(
        grpc.stream_unary_rpc_method_handler,
        streaming_input_call,
        StreamingInputCallRequest,
        StreamingInputCallResponse,
    ),
    "FullDuplexCall": method(
        grpc.stream_stream_rpc_method_handler,
        full_duplex_call,
        StreamingOutputCallRequest,
        StreamingOutputCallResponse,
    ),
}

server = grpc.server(concurrent.futures.ThreadPoolExecutor(max_workers=8))
server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE, METHODS),))
port = server.add_insecure_port("127.0.0.1:0")
server.start()
tell("port", port)
sys.stdin.read()
server.stop(None).wait()
