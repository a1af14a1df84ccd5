use crate::{
    CountLayer, EchoMetadata, Error, Tally,
    client::{
        EMPTY_CALL, FULL_DUPLEX_CALL, STREAMING_INPUT_CALL, STREAMING_OUTPUT_CALL, UNARY_CALL,
    },
    pb::{
        Empty, SimpleRequest, SimpleResponse, StreamingInputCallRequest,
        StreamingInputCallResponse, StreamingOutputCallRequest, StreamingOutputCallResponse,
    },
    same,
    service::{
        empty_call, full_duplex_call, streaming_input_call, streaming_output_call, unary_call,
    },
};
use kit_endpoint::{CatchPanicLayer, DeadlineLayer};
use kit_transport::{Hook, Observer};
use kit_transport_grpc::{Grpc, GrpcLayer, Server};
use std::time::Duration;
use tonic::service::Routes;
use tower::{Layer, ServiceBuilder};

/// What a call may take, also where the caller sets no deadline.
pub const LIMIT: Duration = Duration::from_secs(20);

/// The test service: its endpoints under their layers, in a layer with hooks.
///
/// It is served by whatever serves `http` messages.
#[must_use]
pub fn app(tally: &Tally) -> Grpc<Routes, impl Hook<Observer: Observer + Send> + Send + 'static> {
    let deadline = DeadlineLayer::of_request().default(LIMIT);
    let unary = |method| {
        ServiceBuilder::new()
            .layer(CountLayer::new(tally.clone(), method))
            .layer(deadline.clone())
            .layer(CatchPanicLayer::new())
    };
    let streaming = |method| {
        ServiceBuilder::new()
            .layer(CountLayer::new(tally.clone(), method).streaming())
            .layer(deadline.clone().streaming())
            .layer(CatchPanicLayer::new().streaming())
    };

    // The type of a stream of requests names its codec.
    let input: fn(_) -> _ = same::<StreamingInputCallRequest>;
    let duplex: fn(_) -> _ = same::<StreamingOutputCallRequest>;
    let routes: Routes = Routes::default()
        .into_axum_router()
        .route_service(
            EMPTY_CALL,
            Server::new(unary("EmptyCall").service_fn(empty_call), same::<Empty>, same::<Empty>)
                .encode_error(Error::status),
        )
        .route_service(
            UNARY_CALL,
            Server::new(
                unary("UnaryCall").service_fn(unary_call),
                same::<SimpleRequest>,
                same::<SimpleResponse>,
            )
            .encode_error(Error::status),
        )
        .route_service(
            STREAMING_OUTPUT_CALL,
            Server::server_streaming(
                streaming("StreamingOutputCall").service_fn(streaming_output_call),
                same::<StreamingOutputCallRequest>,
                same::<StreamingOutputCallResponse>,
            )
            .encode_error(Error::status),
        )
        .route_service(
            STREAMING_INPUT_CALL,
            Server::client_streaming(
                unary("StreamingInputCall").service_fn(streaming_input_call),
                input,
                same::<StreamingInputCallResponse>,
            )
            .encode_error(Error::status),
        )
        .route_service(
            FULL_DUPLEX_CALL,
            Server::bidi(
                streaming("FullDuplexCall").service_fn(full_duplex_call),
                duplex,
                same::<StreamingOutputCallResponse>,
            )
            .encode_error(Error::status),
        )
        .into();
    GrpcLayer::new().reply_metadata().hook(EchoMetadata).hook(tally.clone()).layer(routes)
}
