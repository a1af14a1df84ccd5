"""Goes through one case, named second, against the server at the address that is named first."""

import queue
import sys

import grpc
from google.rpc import error_details_pb2
from grpc_status import rpc_status

from messages import (
    DOMAIN,
    INITIAL,
    MOST,
    SERVICE,
    TRAILING,
    EchoStatus,
    Empty,
    ResponseParameters,
    SimpleRequest,
    SimpleResponse,
    StreamingInputCallRequest,
    StreamingInputCallResponse,
    StreamingOutputCallRequest,
    StreamingOutputCallResponse,
    zeros,
)

LIMIT = 10
STREAM = [(27182, 31415), (8, 9), (1828, 2653), (45904, 58979)]
STATUS = EchoStatus(code=2, message="test status message")
SPECIAL = EchoStatus(
    code=2, message="\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n"
)
METADATA = [(INITIAL, "test_initial_metadata_value"), (TRAILING, b"\xab\xab\xab")]


class Stub:
    def __init__(self, channel):
        def method(kind, name, request, response, service=SERVICE):
            return kind(f"/{service}/{name}", request.SerializeToString, response.FromString)

        self.empty = method(channel.unary_unary, "EmptyCall", Empty, Empty)
        self.unary = method(channel.unary_unary, "UnaryCall", SimpleRequest, SimpleResponse)
        self.input = method(
            channel.stream_unary,
            "StreamingInputCall",
            StreamingInputCallRequest,
            StreamingInputCallResponse,
        )
        duplex = StreamingOutputCallRequest, StreamingOutputCallResponse
        self.output = method(channel.unary_stream, "StreamingOutputCall", *duplex)
        self.duplex = method(channel.stream_stream, "FullDuplexCall", *duplex)
        self.no_method = method(channel.unary_unary, "UnimplementedCall", Empty, Empty)
        self.no_service = method(
            channel.unary_unary, "UnimplementedCall", Empty, Empty, "grpc.testing.UnimplementedService"
        )


class Requests:
    """Requests that are sent one by one."""

    def __init__(self):
        self.queue = queue.SimpleQueue()

    def send(self, request):
        self.queue.put(request)

    def close(self):
        self.queue.put(None)

    def __iter__(self):
        return iter(self.queue.get, None)


def same(found, wanted):
    assert found == wanted, (found, wanted)


def holds(payload, size):
    assert payload.body == bytes(size), (len(payload.body), size)


def fails(call, code, details=None):
    """Asserts that a call fails; it is a function that makes it."""
    try:
        reply = call()
    except grpc.RpcError as error:
        assert error.code() == code, error
        if details is not None:
            same(error.details(), details)
        return error
    raise AssertionError(f"a call has succeeded that was to fail with {code}: {reply}")


def large():
    return SimpleRequest(response_size=314159, payload=zeros(271828))


def ask(request, *replies, **more):
    parameters = [ResponseParameters(size=size) for size in replies]
    return StreamingOutputCallRequest(
        response_parameters=parameters, payload=zeros(request), **more
    )


def empty_unary(stub):
    same(stub.empty(Empty(), timeout=LIMIT), Empty())


def large_unary(stub):
    holds(stub.unary(large(), timeout=LIMIT).payload, 314159)


def client_streaming(stub):
    requests = (StreamingInputCallRequest(payload=zeros(size)) for size, _ in STREAM)
    same(stub.input(requests, timeout=LIMIT).aggregated_payload_size, 74922)


def server_streaming(stub):
    replies = list(stub.output(ask(0, *(size for _, size in STREAM)), timeout=LIMIT))
    same(len(replies), len(STREAM))
    for reply, (_, size) in zip(replies, STREAM):
        holds(reply.payload, size)


def ping_pong(stub):
    requests = Requests()
    replies = stub.duplex(iter(requests), timeout=LIMIT)
    for request, reply in STREAM:
        requests.send(ask(request, reply))
        holds(next(replies).payload, reply)
    requests.close()
    same(list(replies), [])
    same(replies.code(), grpc.StatusCode.OK)


def empty_stream(stub):
    replies = stub.duplex(iter([]), timeout=LIMIT)
    same(list(replies), [])
    same(replies.code(), grpc.StatusCode.OK)


def timeout_on_sleeping_server(stub):
    requests = Requests()
    requests.send(ask(27182))
    replies = stub.duplex(iter(requests), timeout=1)
    fails(lambda: next(replies), grpc.StatusCode.DEADLINE_EXCEEDED)
    requests.close()


def begun():
    """Waits until whoever runs this says that the server has begun."""
    same(sys.stdin.readline(), "begun\n")


def cancel_after_begin(stub):
    requests = Requests()
    call = stub.input.future(iter(requests), timeout=LIMIT)
    begun()
    assert call.cancel()
    same(call.code(), grpc.StatusCode.CANCELLED)
    assert call.cancelled()
    requests.close()


def cancel_after_first_response(stub):
    requests = Requests()
    replies = stub.duplex(iter(requests), timeout=LIMIT)
    requests.send(ask(*STREAM[0]))
    holds(next(replies).payload, STREAM[0][1])
    replies.cancel()
    fails(lambda: next(replies), grpc.StatusCode.CANCELLED)
    requests.close()


def status_code_and_message(stub):
    wanted = grpc.StatusCode.UNKNOWN, STATUS.message
    request = SimpleRequest(response_status=STATUS)
    fails(lambda: stub.unary(request, timeout=LIMIT), *wanted)
    replies = stub.duplex(iter([ask(0, response_status=STATUS)]), timeout=LIMIT)
    fails(lambda: next(replies), *wanted)


def special_status_message(stub):
    request = SimpleRequest(response_status=SPECIAL)
    fails(lambda: stub.unary(request, timeout=LIMIT), grpc.StatusCode.UNKNOWN, SPECIAL.message)


def custom_metadata(stub):
    def came_back(call):
        assert METADATA[0] in [tuple(pair) for pair in call.initial_metadata()], call
        assert METADATA[1] in [tuple(pair) for pair in call.trailing_metadata()], call

    reply, call = stub.unary.with_call(large(), metadata=METADATA, timeout=LIMIT)
    holds(reply.payload, 314159)
    came_back(call)
    replies = stub.duplex(iter([ask(271828, 314159)]), metadata=METADATA, timeout=LIMIT)
    (reply,) = replies
    holds(reply.payload, 314159)
    came_back(replies)


def unimplemented_method(stub):
    fails(lambda: stub.no_method(Empty(), timeout=LIMIT), grpc.StatusCode.UNIMPLEMENTED)


def unimplemented_service(stub):
    fails(lambda: stub.no_service(Empty(), timeout=LIMIT), grpc.StatusCode.UNIMPLEMENTED)


# ===== beyond the cases =====


def details(error, *kinds):
    """The rich details of an error: one of each kind, and no others."""
    status = rpc_status.from_call(error)
    same((status.code, status.message), (error.code().value[0], error.details()))
    found = []
    for kind in kinds:
        (any,) = (detail for detail in status.details if detail.Is(kind.DESCRIPTOR))
        found.append(kind.FromString(any.value))
    same(len(status.details), len(found))
    return found


def rich_errors(stub):
    code = grpc.StatusCode.INVALID_ARGUMENT
    request = SimpleRequest(response_size=-1)
    error = fails(lambda: stub.unary(request, timeout=LIMIT), code, "the size -1 is negative")
    info, bad = details(error, error_details_pb2.ErrorInfo, error_details_pb2.BadRequest)
    same((info.reason, info.domain), ("SIZE_NEGATIVE", DOMAIN))
    same(dict(info.metadata), {"size": "-1"})
    (violation,) = bad.field_violations
    same((violation.field, violation.description), ("response_size", "the size -1 is negative"))

    code = grpc.StatusCode.RESOURCE_EXHAUSTED
    replies = stub.output(ask(0, MOST + 1), timeout=LIMIT)
    error = fails(lambda: next(replies), code, f"the size {MOST + 1} is over {MOST}")
    retry, info, quota = details(
        error,
        error_details_pb2.RetryInfo,
        error_details_pb2.ErrorInfo,
        error_details_pb2.QuotaFailure,
    )
    same((retry.retry_delay.seconds, retry.retry_delay.nanos), (2, 500_000_000))
    same((info.reason, info.domain), ("SIZE_TOO_LARGE", DOMAIN))
    (violation,) = quota.violations
    same((violation.subject, violation.description), ("response_size", f"at most {MOST}"))


def a_deadline(stub):
    stub.empty(Empty(), timeout=LIMIT)


def an_expired_deadline(stub):
    # The library itself gives up what has expired, and so would never ask.
    late = {"metadata": [("grpc-timeout", "0n")], "timeout": None}
    error = fails(lambda: stub.empty(Empty(), **late), grpc.StatusCode.DEADLINE_EXCEEDED)
    same(error.details(), "deadline exceeded")


def a_deadline_that_the_server_keeps(stub):
    late = {"metadata": [("grpc-timeout", "50m")], "timeout": None}
    code = grpc.StatusCode.DEADLINE_EXCEEDED
    requests = Requests()
    fails(lambda: stub.input(iter(requests), **late), code, "deadline exceeded")
    replies = stub.duplex(iter(requests), **late)
    fails(lambda: next(replies), code, "deadline exceeded")
    requests.close()
    requests.close()


def a_cancelled_stream_of_replies(stub):
    parameters = [
        ResponseParameters(size=1),
        ResponseParameters(size=1, interval_us=60_000_000),
    ]
    replies = stub.output(
        StreamingOutputCallRequest(response_parameters=parameters), timeout=LIMIT
    )
    holds(next(replies).payload, 1)
    replies.cancel()
    fails(lambda: next(replies), grpc.StatusCode.CANCELLED)


with grpc.insecure_channel(sys.argv[1], options=[("grpc.enable_http_proxy", 0)]) as channel:
    # A time-out is to be that of the call, and not that of the connection.
    grpc.channel_ready_future(channel).result(timeout=LIMIT)
    globals()[sys.argv[2]](Stub(channel))

print("ok")
