"""Greets many at once, and chats."""

import queue
import sys

import grpc
from messages import names, reply, request

LIMIT = 10


def said(replies):
    """What comes, and the error that ends it."""
    greetings = []
    try:
        for greeting in replies:
            greetings.append(greeting)
    except grpc.RpcError as error:
        return greetings, error
    return greetings, None


def is_refusal(error, advice):
    assert error.code() == grpc.StatusCode.INVALID_ARGUMENT, error
    assert advice in error.details(), error
    assert any(key == "grpc-status-details-bin" for key, _ in error.trailing_metadata())


with grpc.insecure_channel(sys.argv[1], options=[("grpc.enable_http_proxy", 0)]) as channel:
    greet = channel.unary_stream("/greeter.v1.Greeter/Greetings", names, reply)
    asked = ["Ada", "Zoë", "a" * 256]
    call = greet(asked, timeout=LIMIT, metadata=[("x-request-id", "the-id")])
    greetings, error = said(call)
    assert (greetings, error) == ([f"Hello, {name}!" for name in asked], None), error
    assert ("x-request-id", "the-id") in call.initial_metadata(), call.initial_metadata()
    greetings, error = said(greet(["Ada"] * 50, timeout=LIMIT))
    assert (len(greetings), error) == (50, None), error

    for asked, begin, advice in [
        ([], [], "say whom to greet"),
        (["Ada"] * 51, [], "give at most 50"),
        (["Ada", "", "Eve"], ["Hello, Ada!"], "say whom to greet"),
        (["Ada", "a" * 257], ["Hello, Ada!"], "at most 256 bytes"),
    ]:
        greetings, error = said(greet(asked, timeout=LIMIT))
        assert greetings == begin, greetings
        is_refusal(error, advice)

    chat = channel.stream_stream("/greeter.v1.Greeter/Chat", request, reply)
    # Each is said once the one before it is greeted.
    say = queue.Queue()
    replies = chat(iter(say.get, None), timeout=LIMIT)
    for name in ["Ada", "Zoë"]:
        say.put(name)
        assert next(replies) == f"Hello, {name}!"
    say.put(None)
    assert said(replies) == ([], None)

    greetings, error = said(chat(iter(["Ada", "", "Eve"]), timeout=LIMIT))
    assert greetings == ["Hello, Ada!"], greetings
    is_refusal(error, "say whom to greet")

    # The caller's time is up, and nobody spoke; the server is to find that out alone.
    silence = queue.Queue()
    late = [("grpc-timeout", "200m")]
    _, error = said(chat(iter(silence.get, None), metadata=late))
    assert error.code() == grpc.StatusCode.DEADLINE_EXCEEDED, error
    silence.put(None)

    # The caller gives up.
    say = queue.Queue()
    replies = chat(iter(say.get, None), timeout=LIMIT)
    say.put("Ada")
    assert next(replies) == "Hello, Ada!"
    replies.cancel()
    say.put(None)
    _, error = said(replies)
    assert error.code() == grpc.StatusCode.CANCELLED, error

print("ok")
