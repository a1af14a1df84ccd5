//! What a client does, under OpenTelemetry's names.
//!
//! | metric | type | labels |
//! |---|---|---|
//! | `http_client_request_duration_seconds` | histogram | `server_address`, `server_port`, `http_request_method`, `url_template`, `http_response_status_code`, `error_type` |
//! | `rpc_client_call_duration_seconds` | histogram | `rpc_system_name`, `server_address`, `server_port`, `rpc_method`, `rpc_response_status_code`, `error_type` |
//!
//! They are the semantic conventions' `http.client.request.duration` and
//! `rpc.client.call.duration`, registered under those names and here as
//! Prometheus spells them. A label that does not apply is left out.
//!
//! # Which server
//!
//! The one that you name when you make it: the service that is called, by the
//! name under which it is known, not each of its instances, of which there is
//! no end over time. One [`HttpClient`] or [`GrpcClient`] is for one server.
//!
//! # Where it goes
//!
//! With the feature `hook` each is a hook of kit's clients. Put it on the
//! client of one instance, below retry and balance, and it measures each try,
//! which is what the conventions ask for; what a call takes with its retries,
//! a [`RedLayer`](crate::RedLayer) around it all measures. A client that is not
//! ours calls [`begin`](HttpClient::begin) and [`end`](HttpClientCall::end)
//! itself.
//!
//! # Bounds
//!
//! Methods are those of RFC 9110 and `PATCH`, else `_OTHER`; templates and
//! gRPC methods are your program's. Past [`LIMIT`] of them, or of series, they
//! fall into `other`. Look-ups take no lock and allocate nothing; the memory is
//! set aside at the start.

mod grpc;
mod http;

pub use self::{
    grpc::{GrpcClient, GrpcClientCall},
    http::{HttpClient, HttpClientCall},
};

use metrics::Label;

/// How many templates or methods, and how many series, a client keeps apart.
pub const LIMIT: usize = 200;

/// The labels of a server.
fn server(address: &str, port: u16) -> [Label; 2] {
    let address = Label::new("server.address", address.to_owned());
    [address, Label::new("server.port", port.to_string())]
}
