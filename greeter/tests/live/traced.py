"""Greets two at once, or by a chat, amid a trace."""

import sys

import grpc
from messages import names, reply, request

LIMIT = 10

address, method, traceparent = sys.argv[1:]
asked = ["Ada", "Grace"]
with grpc.insecure_channel(address, options=[("grpc.enable_http_proxy", 0)]) as channel:
    metadata = [("traceparent", traceparent)]
    if method == "Chat":
        chat = channel.stream_stream("/greeter.v1.Greeter/Chat", request, reply)
        replies = chat(iter(asked), timeout=LIMIT, metadata=metadata)
    else:
        greet = channel.unary_stream("/greeter.v1.Greeter/Greetings", names, reply)
        replies = greet(asked, timeout=LIMIT, metadata=metadata)
    greetings = list(replies)
    assert greetings == [f"Hello, {name}!" for name in asked], greetings

print("ok")
