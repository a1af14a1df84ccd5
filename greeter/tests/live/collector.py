"""A collector of OTLP: over gRPC and over HTTP. Says its ports, and each span as JSON."""

import json
import sys
from concurrent import futures
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from threading import Lock, Thread

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as service
from opentelemetry.proto.trace.v1 import trace_pb2 as trace

lock = Lock()


def value(any_value):
    kind = any_value.WhichOneof("value")
    return getattr(any_value, kind) if kind else None


def attributes(pairs):
    found = {pair.key: value(pair.value) for pair in pairs}
    assert len(found) == len(pairs), f"an attribute is there twice: {pairs}"
    return found


def take(request):
    for resource in request.resource_spans:
        name = attributes(resource.resource.attributes)["service.name"]
        for scope in resource.scope_spans:
            for span in scope.spans:
                line = {
                    "service": name,
                    "name": span.name,
                    "kind": trace.Span.SpanKind.Name(span.kind).removeprefix("SPAN_KIND_"),
                    "trace": span.trace_id.hex(),
                    "id": span.span_id.hex(),
                    "parent": span.parent_span_id.hex(),
                    "attributes": attributes(span.attributes),
                    "status": trace.Status.StatusCode.Name(span.status.code).removeprefix("STATUS_CODE_"),
                    "events": [event.name for event in span.events],
                    "took": span.end_time_unix_nano - span.start_time_unix_nano,
                }
                with lock:
                    print(json.dumps(line), flush=True)
    return service.ExportTraceServiceResponse()


class Http(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"

    def do_POST(self):
        body = self.rfile.read(int(self.headers["content-length"]))
        assert self.path == "/v1/traces", self.path
        assert self.headers["content-type"] == "application/x-protobuf"
        reply = take(service.ExportTraceServiceRequest.FromString(body)).SerializeToString()
        self.send_response(200)
        self.send_header("content-length", str(len(reply)))
        self.end_headers()
        self.wfile.write(reply)

    def log_message(self, *_):
        pass


method = grpc.unary_unary_rpc_method_handler(
    lambda request, _: take(request),
    request_deserializer=service.ExportTraceServiceRequest.FromString,
    response_serializer=service.ExportTraceServiceResponse.SerializeToString,
)
name = "opentelemetry.proto.collector.trace.v1.TraceService"
server = grpc.server(futures.ThreadPoolExecutor(max_workers=4))
server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, {"Export": method})])
over_grpc = server.add_insecure_port("127.0.0.1:0")
server.start()
http = ThreadingHTTPServer(("127.0.0.1", 0), Http)
Thread(target=http.serve_forever, daemon=True).start()
print(json.dumps({"grpc": over_grpc, "http": http.server_port}), flush=True)
# Until whoever started it is gone.
sys.stdin.read()
