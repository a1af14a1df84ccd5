//! The methods of the test service, as clients call them.
//!
//! Each is an endpoint, over any channel. A [`Custom`] among the extensions of
//! a request is the metadata that it goes out with.

use crate::{
    Custom,
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

/// The paths of the methods.
pub(crate) const EMPTY_CALL: &str = "/grpc.testing.TestService/EmptyCall";
pub(crate) const UNARY_CALL: &str = "/grpc.testing.TestService/UnaryCall";
pub(crate) const STREAMING_OUTPUT_CALL: &str = "/grpc.testing.TestService/StreamingOutputCall";
pub(crate) const STREAMING_INPUT_CALL: &str = "/grpc.testing.TestService/StreamingInputCall";
pub(crate) const FULL_DUPLEX_CALL: &str = "/grpc.testing.TestService/FullDuplexCall";

/// Calls `EmptyCall`.
#[must_use]
pub fn empty_call(channel: Channel) -> impl Endpoint<Empty, Response = Empty, Error = CallError> {
    nothing(channel, EMPTY_CALL)
}

/// Calls a method of the service that it does not have.
#[must_use]
pub fn unimplemented_method(
    channel: Channel,
) -> impl Endpoint<Empty, Response = Empty, Error = CallError> {
    nothing(channel, "/grpc.testing.TestService/UnimplementedCall")
}

/// Calls a method of a service that is not there.
#[must_use]
pub fn unimplemented_service(
    channel: Channel,
) -> impl Endpoint<Empty, Response = Empty, Error = CallError> {
    nothing(channel, "/grpc.testing.UnimplementedService/UnimplementedCall")
}

fn nothing(
    channel: Channel,
    path: &'static str,
) -> impl Endpoint<Empty, Response = Empty, Error = CallError> {
    Client::new(channel, path, same::<Empty>, same::<Empty>).metadata(Custom::write)
}

/// Calls `UnaryCall`.
#[must_use]
pub fn unary_call(
    channel: Channel,
) -> impl Endpoint<SimpleRequest, Response = SimpleResponse, Error = CallError> {
    Client::new(channel, UNARY_CALL, same::<SimpleRequest>, same::<SimpleResponse>)
        .metadata(Custom::write)
}

/// Calls `StreamingOutputCall`.
#[must_use]
pub fn streaming_output_call(
    channel: Channel,
) -> impl Endpoint<
    StreamingOutputCallRequest,
    Response = impl Stream<Item = Result<StreamingOutputCallResponse, CallError>> + Send + Unpin,
    Error = CallError,
> {
    Client::server_streaming(
        channel,
        STREAMING_OUTPUT_CALL,
        same::<StreamingOutputCallRequest>,
        same::<StreamingOutputCallResponse>,
    )
    .metadata(Custom::write)
}

/// Calls `StreamingInputCall` with a stream of requests.
#[must_use]
pub fn streaming_input_call<St, E>(
    channel: Channel,
) -> impl Endpoint<St, Response = StreamingInputCallResponse, Error = CallError>
where
    St: Stream<Item = Result<StreamingInputCallRequest, E>> + Send + 'static,
    E: Fault,
{
    Client::client_streaming(
        channel,
        STREAMING_INPUT_CALL,
        same::<StreamingInputCallRequest>,
        same::<StreamingInputCallResponse>,
    )
    .metadata(Custom::write)
}

/// Calls `FullDuplexCall` with a stream of requests.
#[must_use]
pub fn full_duplex_call<St, E>(
    channel: Channel,
) -> impl Endpoint<
    St,
    Response = impl Stream<Item = Result<StreamingOutputCallResponse, CallError>> + Send + Unpin,
    Error = CallError,
>
where
    St: Stream<Item = Result<StreamingOutputCallRequest, E>> + Send + 'static,
    E: Fault,
{
    Client::bidi(
        channel,
        FULL_DUPLEX_CALL,
        same::<StreamingOutputCallRequest>,
        same::<StreamingOutputCallResponse>,
    )
    .metadata(Custom::write)
}
