//! What carries the endpoints.

pub mod grpc;
pub mod http;
