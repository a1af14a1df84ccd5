//! The cases, as a client of ours goes through them.
//!
//! They are those of gRPC's `interop-test-descriptions.md`, to the number.

use crate::{
    Custom, INITIAL, TRAILING,
    client::{self, Caller},
    pb::{
        EchoStatus, Empty, Payload, ResponseParameters, SimpleRequest, StreamingInputCallRequest,
        StreamingOutputCallRequest, StreamingOutputCallResponse,
    },
};
use futures_util::{
    StreamExt, TryStreamExt,
    future::{self, Either},
    stream,
};
use kit_endpoint::{Carries, Fault, Kind, Request};
use kit_transport_grpc::{CallError, ReceivedMetadata};
use std::{convert::Infallible, fmt::Debug, pin::pin, time::Duration};
use tokio::{sync::mpsc, time::Instant};
use tokio_stream::wrappers::UnboundedReceiverStream;
use tonic::metadata::{AsciiMetadataValue, BinaryMetadataValue, MetadataMap};
use tower::ServiceExt;

const REQUEST: usize = 271_828;
const REPLY: i32 = 314_159;
/// What the streaming cases send, and ask for.
const STREAM: [(usize, i32); 4] = [(27_182, 31_415), (8, 9), (1_828, 2_653), (45_904, 58_979)];
/// A message that no header can hold as it is.
const SPECIAL: &str = "\t\ntest with whitespace\r\nand Unicode BMP ☺ and non-BMP 😈\t\n";

/// Why a case does not hold.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Failure {
    /// A call failed that was to succeed.
    #[error("a call failed")]
    Call(#[from] CallError),
    /// What came is not what the case asks for.
    #[error("{0}")]
    Wrong(String),
}

/// What a case comes to.
type Held = Result<(), Failure>;

#[expect(clippy::needless_pass_by_value, reason = "values are what a caller has")]
fn same<T: PartialEq + Debug>(what: &str, found: T, wanted: T) -> Held {
    if found == wanted {
        return Ok(());
    }
    Err(Failure::Wrong(format!("{what}: {found:?}, and not {wanted:?}")))
}

/// Checks a payload: as long as it should be, and zeros.
fn zeros(found: Option<Payload>, size: i32) -> Held {
    let body = found.map(|payload| payload.body).unwrap_or_default();
    same("the bytes of a payload", i32::try_from(body.len()).ok(), Some(size))?;
    same("a payload is zeros", body.iter().all(|byte| *byte == 0), true)
}

/// Checks that a call failed with `kind`.
fn fails<T>(result: Result<T, CallError>, kind: Kind) -> Result<CallError, Failure> {
    let Err(error) = result else {
        return Err(Failure::Wrong(format!("the call succeeded, and did not fail with {kind}")));
    };
    same("the kind of failure", error.kind(), kind)?;
    Ok(error)
}

fn payload(size: usize) -> Option<Payload> {
    Some(Payload { body: vec![0; size] })
}

fn large() -> SimpleRequest {
    SimpleRequest { response_size: REPLY, payload: payload(REQUEST), response_status: None }
}

fn sizes(size: i32) -> Vec<ResponseParameters> {
    vec![ResponseParameters { size, interval_us: 0 }]
}

fn ask(request: usize, reply: i32) -> StreamingOutputCallRequest {
    StreamingOutputCallRequest {
        response_parameters: sizes(reply),
        payload: payload(request),
        response_status: None,
    }
}

/// An empty message goes there and back.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn empty_unary(caller: Caller) -> Held {
    client::empty_call(caller).oneshot(Request::new(Empty {})).await?;
    Ok(())
}

/// A large message goes there, and another back.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn large_unary(caller: Caller) -> Held {
    let reply = client::unary_call(caller).oneshot(Request::new(large())).await?;
    zeros(reply.payload, REPLY)
}

/// A stream of requests is added up.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn client_streaming(caller: Caller) -> Held {
    let requests = STREAM
        .map(|(size, _)| Ok::<_, Infallible>(StreamingInputCallRequest { payload: payload(size) }));
    let call = client::streaming_input_call(caller);
    let reply = call.oneshot(Request::new(stream::iter(requests))).await?;
    same("the sum", reply.aggregated_payload_size, 74_922)
}

/// A stream of replies comes, in order.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn server_streaming(caller: Caller) -> Held {
    let asked = STREAM.map(|(_, size)| ResponseParameters { size, interval_us: 0 });
    let request =
        StreamingOutputCallRequest { response_parameters: asked.into(), ..Default::default() };
    let call = client::streaming_output_call(caller);
    let replies: Vec<_> = call.oneshot(Request::new(request)).await?.try_collect().await?;
    all(replies)
}

fn all(replies: Vec<StreamingOutputCallResponse>) -> Held {
    same("the number of replies", replies.len(), STREAM.len())?;
    replies.into_iter().zip(STREAM).try_for_each(|(reply, (_, size))| zeros(reply.payload, size))
}

/// Each request is answered before the next is sent.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn ping_pong(caller: Caller) -> Held {
    let (requests, sent) = mpsc::unbounded_channel::<Result<_, Infallible>>();
    let sent = UnboundedReceiverStream::new(sent);
    let ask_in = |round: usize| match STREAM.get(round) {
        Some((request, reply)) => requests.send(Ok(ask(*request, *reply))).map_err(|_| unread()),
        None => Ok(()),
    };
    // A server may send no head before it has something to answer.
    ask_in(0)?;
    let mut replies = client::full_duplex_call(caller).oneshot(Request::new(sent)).await?;
    for (round, (_, reply)) in STREAM.into_iter().enumerate() {
        zeros(next(&mut replies).await?, reply)?;
        ask_in(round + 1)?;
    }
    drop(requests);
    same("replies after the last", replies.try_next().await?, None)
}

fn unread() -> Failure {
    Failure::Wrong("the requests are no longer read".to_owned())
}

/// The payload of the next reply, which is to come.
async fn next<St>(replies: &mut St) -> Result<Option<Payload>, Failure>
where
    St: stream::Stream<Item = Result<StreamingOutputCallResponse, CallError>> + Unpin,
{
    let missing = || Failure::Wrong("a reply is missing".to_owned());
    Ok(replies.try_next().await?.ok_or_else(missing)?.payload)
}

/// No requests have no replies.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn empty_stream(caller: Caller) -> Held {
    let none = stream::empty::<Result<_, Infallible>>();
    let replies = client::full_duplex_call(caller).oneshot(Request::new(none)).await?;
    same("the replies", replies.try_collect().await?, Vec::new())
}

/// A call that is not answered in its time ends with `DEADLINE_EXCEEDED`.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn timeout_on_sleeping_server(caller: Caller) -> Held {
    let asked = StreamingOutputCallRequest { payload: payload(STREAM[0].0), ..Default::default() };
    // An end of the requests would be the end of the call.
    let requests = stream::iter([Ok::<_, Infallible>(asked)]).chain(stream::pending());
    let mut request = Request::new(requests);
    request.bring_forward(Instant::now() + Duration::from_millis(1));
    let call = async { client::full_duplex_call(caller).oneshot(request).await?.try_next().await };
    fails(call.await, Kind::DeadlineExceeded)?;
    Ok(())
}

/// A call is cancelled, by being dropped, before it has sent a message, but not
/// before the server has `begun`; then it is `over` there.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn cancel_after_begin(
    caller: Caller,
    begun: impl Future<Output = ()>,
    over: impl Future<Output = ()>,
) -> Held {
    let requests = stream::pending::<Result<StreamingInputCallRequest, Infallible>>();
    let call = client::streaming_input_call(caller).oneshot(Request::new(requests));
    if let Either::Left((result, _)) = future::select(pin!(call), pin!(begun)).await {
        return Err(Failure::Wrong(format!("the call ended by itself: {result:?}")));
    }
    // What was pinned here is dropped by now: nobody waits for the reply.
    over.await;
    Ok(())
}

/// A call is cancelled, by being dropped, when the first of its replies has
/// come; then it is `over` at the server.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn cancel_after_first_response(caller: Caller, over: impl Future<Output = ()>) -> Held {
    let (request, reply) = STREAM[0];
    // An end of the requests would be the end of the call.
    let requests =
        stream::iter([Ok::<_, Infallible>(ask(request, reply))]).chain(stream::pending());
    let mut replies = client::full_duplex_call(caller).oneshot(Request::new(requests)).await?;
    zeros(next(&mut replies).await?, reply)?;
    drop(replies);
    over.await;
    Ok(())
}

/// A status comes back as it was asked for, once and amid a stream.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn status_code_and_message(caller: Caller) -> Held {
    let status = EchoStatus { code: 2, message: "test status message".to_owned() };
    let request = SimpleRequest { response_status: Some(status.clone()), ..Default::default() };
    let result = client::unary_call(caller.clone()).oneshot(Request::new(request)).await;
    says(result, &status)?;

    let request =
        StreamingOutputCallRequest { response_status: Some(status.clone()), ..Default::default() };
    let requests = stream::iter([Ok::<_, Infallible>(request)]);
    let call = async {
        client::full_duplex_call(caller).oneshot(Request::new(requests)).await?.try_next().await
    };
    says(call.await, &status)
}

fn says<T>(result: Result<T, CallError>, status: &EchoStatus) -> Held {
    let error = fails(result, Kind::Unknown)?;
    let found = error.status().map(|status| (i32::from(status.code()), status.message()));
    same("the status", found, Some((status.code, &*status.message)))
}

/// A message of a status may have any characters.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn special_status_message(caller: Caller) -> Held {
    let status = EchoStatus { code: 2, message: SPECIAL.to_owned() };
    let request = SimpleRequest { response_status: Some(status.clone()), ..Default::default() };
    let result = client::unary_call(caller).oneshot(Request::new(request)).await;
    says(result, &status)
}

/// Metadata goes there, and back before and after the messages.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn custom_metadata(caller: Caller) -> Held {
    let received = ReceivedMetadata::default();
    let request = with_metadata(large(), &received);
    let reply = client::unary_call(caller.clone()).oneshot(request).await?;
    zeros(reply.payload, REPLY)?;
    came_back(&received)?;

    let received = ReceivedMetadata::default();
    let requests = stream::iter([Ok::<_, Infallible>(ask(REQUEST, REPLY))]);
    let request = with_metadata(requests, &received);
    let mut replies = client::full_duplex_call(caller).oneshot(request).await?;
    zeros(next(&mut replies).await?, REPLY)?;
    same("replies after the first", replies.try_next().await?, None)?;
    came_back(&received)
}

fn initial() -> AsciiMetadataValue {
    AsciiMetadataValue::from_static("test_initial_metadata_value")
}

fn trailing() -> BinaryMetadataValue {
    BinaryMetadataValue::from_bytes(&[0xab, 0xab, 0xab])
}

fn with_metadata<T>(message: T, received: &ReceivedMetadata) -> Request<T> {
    let mut metadata = MetadataMap::new();
    metadata.insert(INITIAL, initial());
    metadata.insert_bin(TRAILING, trailing());
    let mut request = Request::new(message);
    request.extensions_mut().insert(Custom(metadata));
    request.extensions_mut().insert(received.clone());
    request
}

fn came_back(received: &ReceivedMetadata) -> Held {
    let initials = received.initial().unwrap_or_default();
    same("the initial metadata", initials.get(INITIAL), Some(&initial()))?;
    let trailers = received.trailing().unwrap_or_default();
    same("the trailing metadata", trailers.get_bin(TRAILING), Some(&trailing()))
}

/// A method that is not there is `UNIMPLEMENTED`.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn unimplemented_method(caller: Caller) -> Held {
    let call = client::unimplemented_method(caller);
    fails(call.oneshot(Request::new(Empty {})).await, Kind::Unimplemented)?;
    Ok(())
}

/// A service that is not there is `UNIMPLEMENTED`.
///
/// # Errors
///
/// Fails if the case does not hold.
pub async fn unimplemented_service(caller: Caller) -> Held {
    let call = client::unimplemented_service(caller);
    fails(call.oneshot(Request::new(Empty {})).await, Kind::Unimplemented)?;
    Ok(())
}
