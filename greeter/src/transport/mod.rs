//! What carries the endpoints.

pub mod debug;
pub mod grpc;
pub mod http;
