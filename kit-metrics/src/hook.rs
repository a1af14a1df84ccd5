use crate::server::{GrpcCall, GrpcServer, HttpCall, HttpServer};
use http::Extensions;
use kit_transport::{Call, End, Hook, Observer, Protocol};

/// Records the requests of an HTTP transport; a gRPC transport's it passes
/// over.
impl Hook for HttpServer {
    type Observer = Option<HttpCall>;

    fn before(&self, call: &Call<'_>, _: &mut Extensions) -> Self::Observer {
        (call.protocol == Protocol::Http).then(|| self.begin(call.method, call.route))
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

    fn before(&self, call: &Call<'_>, _: &mut Extensions) -> Self::Observer {
        (call.protocol == Protocol::Grpc).then(|| self.begin(call.method))
    }
}

impl Observer for GrpcCall {
    fn finish(self, end: &End) {
        self.end(end.outcome.kind(), end.duration);
    }
}
