//! The methods of the test service, as clients call them.
//!
//! Each is an endpoint. A [`Custom`] among the extensions of
//! a request is the metadata that it goes out with.

use crate::{
    CountLayer, Custom, Tally,
    pb::{
        Empty, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
        StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse,
    },
    same,
};
use kit_endpoint::{Endpoint, Fault};
use kit_transport_grpc::{CallError, Client};
use tokio_stream::Stream;
use tonic::transport::Channel;
use tower_layer::Layer;

/// The paths of the methods.
pub(crate) const EMPTY_CALL: &str = "/grpc.testing.TestService/EmptyCall";
pub(crate) const UNARY_CALL: &str = "/grpc.testing.TestService/UnaryCall";
pub(crate) const STREAMING_OUTPUT_CALL: &str = "/grpc.testing.TestService/StreamingOutputCall";
pub(crate) const STREAMING_INPUT_CALL: &str = "/grpc.testing.TestService/StreamingInputCall";
pub(crate) const FULL_DUPLEX_CALL: &str = "/grpc.testing.TestService/FullDuplexCall";

/// Who calls the methods: over a channel, under a hook and a layer that count.
#[derive(Debug, Clone)]
pub struct Caller {
    channel: Channel,
    tally: Tally,
}

// ===== impl Caller =====

impl Caller {
    /// Calls over `channel`, and lets `tally` hear of each call, from a hook and
    /// from a layer around the client.
    #[must_use]
    pub const fn new(channel: Channel, tally: Tally) -> Self {
        Self { channel, tally }
    }
}

// ===== the methods =====

/// Calls `EmptyCall`.
#[must_use]
pub fn empty_call(caller: Caller) -> impl Endpoint<Empty, Response = Empty, Error = CallError> {
    nothing(caller, EMPTY_CALL)
}

/// Calls a method of the service that it does not have.
#[must_use]
pub fn unimplemented_method(
    caller: Caller,
) -> impl Endpoint<Empty, Response = Empty, Error = CallError> {
    nothing(caller, "/grpc.testing.TestService/UnimplementedCall")
}

/// Calls a method of a service that is not there.
#[must_use]
pub fn unimplemented_service(
    caller: Caller,
) -> impl Endpoint<Empty, Response = Empty, Error = CallError> {
    nothing(caller, "/grpc.testing.UnimplementedService/UnimplementedCall")
}

fn nothing(
    caller: Caller,
    path: &'static str,
) -> impl Endpoint<Empty, Response = Empty, Error = CallError> {
    let client = Client::new(caller.channel, path, same::<Empty>, same::<Empty>)
        .metadata(Custom::write)
        .hook(caller.tally.clone());
    CountLayer::new(caller.tally, path).layer(client)
}

/// Calls `UnaryCall`.
#[must_use]
pub fn unary_call(
    caller: Caller,
) -> impl Endpoint<SimpleRequest, Response = SimpleResponse, Error = CallError> {
    let client =
        Client::new(caller.channel, UNARY_CALL, same::<SimpleRequest>, same::<SimpleResponse>)
            .metadata(Custom::write)
            .hook(caller.tally.clone());
    CountLayer::new(caller.tally, UNARY_CALL).layer(client)
}

/// Calls `StreamingOutputCall`.
#[must_use]
pub fn streaming_output_call(
    caller: Caller,
) -> impl Endpoint<
    StreamingOutputCallRequest,
    Response = impl Stream<Item = Result<StreamingOutputCallResponse, CallError>> + Send + Unpin,
    Error = CallError,
> {
    let client = Client::server_streaming(
        caller.channel,
        STREAMING_OUTPUT_CALL,
        same::<StreamingOutputCallRequest>,
        same::<StreamingOutputCallResponse>,
    )
    .metadata(Custom::write)
    .hook(caller.tally.clone());
    CountLayer::new(caller.tally, STREAMING_OUTPUT_CALL).streaming().layer(client)
}

/// Calls `StreamingInputCall` with a stream of requests.
#[must_use]
pub fn streaming_input_call<St, E>(
    caller: Caller,
) -> impl Endpoint<St, Response = StreamingInputCallResponse, Error = CallError>
where
    St: Stream<Item = Result<StreamingInputCallRequest, E>> + Send + 'static,
    E: Fault,
{
    let client = Client::client_streaming(
        caller.channel,
        STREAMING_INPUT_CALL,
        same::<StreamingInputCallRequest>,
        same::<StreamingInputCallResponse>,
    )
    .metadata(Custom::write)
    .hook(caller.tally.clone());
    CountLayer::new(caller.tally, STREAMING_INPUT_CALL).layer(client)
}

/// Calls `FullDuplexCall` with a stream of requests.
#[must_use]
pub fn full_duplex_call<St, E>(
    caller: Caller,
) -> impl Endpoint<
    St,
    Response = impl Stream<Item = Result<StreamingOutputCallResponse, CallError>> + Send + Unpin,
    Error = CallError,
>
where
    St: Stream<Item = Result<StreamingOutputCallRequest, E>> + Send + 'static,
    E: Fault,
{
    let client = Client::bidi(
        caller.channel,
        FULL_DUPLEX_CALL,
        same::<StreamingOutputCallRequest>,
        same::<StreamingOutputCallResponse>,
    )
    .metadata(Custom::write)
    .hook(caller.tally.clone());
    CountLayer::new(caller.tally, FULL_DUPLEX_CALL).streaming().layer(client)
}
