//! The methods of the test service, before any layer and any transport.

use crate::{
    Echo, Error, MOST,
    pb::{
        EchoStatus, Empty, Payload, ResponseParameters, SimpleRequest, SimpleResponse,
        StreamingInputCallRequest, StreamingInputCallResponse, StreamingOutputCallRequest,
        StreamingOutputCallResponse,
    },
};
use futures_util::{StreamExt, TryStreamExt, stream};
use kit_endpoint::{Kind, Request};
use kit_transport_grpc::server::ReadError;
use std::{
    future::{Ready, ready},
    time::Duration,
};
use tokio::time::sleep;
use tokio_stream::Stream;

/// Answers with nothing.
pub fn empty_call(_: Request<Empty>) -> Ready<Result<Empty, Error>> {
    ready(Ok(Empty {}))
}

/// Answers with as many bytes as are asked for, or fails as it is asked to.
pub fn unary_call(request: Request<SimpleRequest>) -> Ready<Result<SimpleResponse, Error>> {
    Echo::say(request.extensions());
    let SimpleRequest { response_size, response_status, .. } = request.into_message();
    let reply = || Ok(SimpleResponse { payload: Some(payload(response_size)?) });
    ready(response_status.and_then(failure).map_or_else(reply, Err))
}

/// Answers with messages of the sizes that are asked for.
pub fn streaming_output_call(
    request: Request<StreamingOutputCallRequest>,
) -> Ready<Result<impl Stream<Item = Result<StreamingOutputCallResponse, Error>> + Send, Error>> {
    Echo::say(request.extensions());
    ready(Ok(replies(request.into_message())))
}

/// Counts the bytes of all requests.
///
/// # Errors
///
/// Fails if the requests break off, or have more bytes than a reply can say.
pub async fn streaming_input_call<St>(
    request: Request<St>,
) -> Result<StreamingInputCallResponse, Error>
where
    St: Stream<Item = Result<StreamingInputCallRequest, ReadError>> + Send,
{
    let bytes = request.into_message().try_fold(0, async |sum: usize, request| {
        Ok(sum + request.payload.map_or(0, |payload| payload.body.len()))
    });
    let bytes = bytes.await?;
    let aggregated_payload_size = i32::try_from(bytes).map_err(|_| Error::TooLarge(i32::MAX))?;
    Ok(StreamingInputCallResponse { aggregated_payload_size })
}

/// Answers each request with messages of the sizes that it asks for.
pub fn full_duplex_call<St>(
    request: Request<St>,
) -> Ready<
    Result<impl Stream<Item = Result<StreamingOutputCallResponse, Error>> + Send + use<St>, Error>,
>
where
    St: Stream<Item = Result<StreamingOutputCallRequest, ReadError>> + Send,
{
    Echo::say(request.extensions());
    ready(Ok(request.into_message().map_err(Error::from).map_ok(replies).try_flatten()))
}

/// The replies to one request.
fn replies(
    request: StreamingOutputCallRequest,
) -> impl Stream<Item = Result<StreamingOutputCallResponse, Error>> + Send {
    let StreamingOutputCallRequest { response_parameters, response_status, .. } = request;
    let failure = response_status.and_then(failure);
    stream::iter(failure.map(Err)).chain(stream::iter(response_parameters).then(reply))
}

async fn reply(asked: ResponseParameters) -> Result<StreamingOutputCallResponse, Error> {
    let ResponseParameters { size, interval_us } = asked;
    // None is not a short one: the shortest of a timer is a millisecond.
    if let Some(micros) = u64::try_from(interval_us).ok().filter(|micros| *micros > 0) {
        sleep(Duration::from_micros(micros)).await;
    }
    Ok(StreamingOutputCallResponse { payload: Some(payload(size)?) })
}

fn payload(size: i32) -> Result<Payload, Error> {
    if size > MOST {
        return Err(Error::TooLarge(size));
    }
    let size = usize::try_from(size).map_err(|_| Error::Negative(size))?;
    Ok(Payload { body: vec![0; size] })
}

/// The failure that is asked for: OK is none.
fn failure(asked: EchoStatus) -> Option<Error> {
    let EchoStatus { code, message } = asked;
    let kind = Kind::from_grpc_code(u32::try_from(code).unwrap_or(u32::MAX))?;
    Some(Error::Asked { kind, message })
}
