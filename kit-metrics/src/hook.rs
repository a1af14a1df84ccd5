use crate::{
    client::{GrpcClient, GrpcClientCall, HttpClient, HttpClientCall},
    server::{GrpcCall, GrpcServer, HttpCall, HttpServer},
};
use http::Extensions;
use kit_endpoint::Fault;
use kit_transport::{Call, End, Hook, Observer, Phase, Protocol};

/// Records the requests of an HTTP transport; a gRPC transport's it passes
/// over.
impl Hook for HttpServer {
    type Observer = Option<HttpCall>;

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Self::Observer {
        (call.protocol == Protocol::Http).then(|| {
            let trace = self.traces.and_then(|trace| trace(extensions));
            self.begin(call.method, call.route).trace(trace)
        })
    }
}

impl Observer for HttpCall {
    fn finish(self, end: &End) {
        self.end(end.status, end.outcome.kind(), end.duration);
    }
}

/// Records the calls of a gRPC transport; an HTTP transport's it passes over.
impl Hook for GrpcServer {
    type Observer = Option<GrpcCall>;

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Self::Observer {
        (call.protocol == Protocol::Grpc).then(|| {
            let trace = self.traces.and_then(|trace| trace(extensions));
            self.begin(call.method).trace(trace)
        })
    }
}

impl Observer for GrpcCall {
    fn fault(&mut self, _: &dyn Fault, phase: Phase) {
        if phase == Phase::Decode {
            self.unread();
        }
    }

    fn finish(self, end: &End) {
        self.end(end.outcome.kind(), end.duration);
    }
}

/// Records the requests of an HTTP client; a gRPC client's it passes over.
impl Hook for HttpClient {
    type Observer = Option<HttpClientCall>;

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Self::Observer {
        (call.protocol == Protocol::Http).then(|| {
            let trace = self.traces.and_then(|trace| trace(extensions));
            self.begin(call.method, call.route).trace(trace)
        })
    }
}

impl Observer for HttpClientCall {
    fn finish(self, end: &End) {
        self.end(end.status, end.outcome.kind(), end.duration);
    }
}

/// Records the calls of a gRPC client; an HTTP client's it passes over.
impl Hook for GrpcClient {
    type Observer = Option<GrpcClientCall>;

    fn before(&self, call: &Call<'_>, extensions: &mut Extensions) -> Self::Observer {
        (call.protocol == Protocol::Grpc).then(|| {
            let trace = self.traces.and_then(|trace| trace(extensions));
            self.begin(call.method).trace(trace)
        })
    }
}

impl Observer for GrpcClientCall {
    fn finish(self, end: &End) {
        self.end(end.outcome.kind(), end.duration);
    }
}
