//! What a server does, under OpenTelemetry's names.
//!
//! | metric | type | labels |
//! |---|---|---|
//! | `http_server_request_duration_seconds` | histogram | `http_request_method`, `url_scheme`, `http_route`, `http_response_status_code`, `error_type` |
//! | `http_server_active_requests` | gauge | `http_request_method`, `url_scheme` |
//! | `rpc_server_call_duration_seconds` | histogram | `rpc_system_name`, `rpc_method`, `rpc_response_status_code`, `error_type` |
//!
//! They are the semantic conventions' `http.server.request.duration`,
//! `http.server.active_requests` and `rpc.server.call.duration`, registered
//! under those names and here as Prometheus spells them. A label that does not apply is left out: a request that
//! matched no route has no `http_route`, one that got no reply no status code,
//! and only failures have an `error_type`.
//!
//! # Where it goes
//!
//! At the edge, where the wire is: with the feature `hook` an [`HttpServer`]
//! or a [`GrpcServer`] is a hook of kit's transports. A server that is not
//! ours calls [`begin`](HttpServer::begin) and [`end`](HttpCall::end) itself.
//!
//! # Bounds
//!
//! Methods are those of RFC 9110 and `PATCH`, else `_OTHER`. Routes are
//! templates and gRPC methods those that are implemented; past [`LIMIT`] of
//! them, or of series, the route falls into `other`. Look-ups take no lock and
//! allocate nothing; the memory is set aside at the start.

mod grpc;
mod http;

pub use self::{
    grpc::{GrpcCall, GrpcServer},
    http::{HttpCall, HttpServer},
};

/// How many routes, and how many series of each metric, a server keeps apart.
///
/// OpenTelemetry's default limit of a metric is 2000 series; a histogram has
/// seventeen lines for each.
pub const LIMIT: usize = 1000;
