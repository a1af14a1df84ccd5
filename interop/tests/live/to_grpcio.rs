//! Our client at its server.

use crate::{
    python::Python,
    support::{Heard, in_time},
};
use futures_util::{StreamExt, TryStreamExt, stream};
use kit_endpoint::{Carries, Fault, Kind, Request};
use kit_interop::{
    DOMAIN, MOST, Tally, cases,
    client::{self, Caller},
    pb::{
        Empty, ResponseParameters, SimpleRequest, StreamingInputCallRequest,
        StreamingOutputCallRequest,
    },
};
use std::{convert::Infallible, time::Duration};
use tokio::{sync::Mutex, time::Instant};
use tonic::transport::Channel;
use tower::ServiceExt;

async fn start() -> (Python, Channel) {
    let mut server = Python::start("server.py", &[]);
    let port = server.hear("port ").await;
    let channel = kit_transport_grpc::channel(&format!("grpc://127.0.0.1:{port}")).unwrap();
    (server, channel)
}

/// For calls that nobody counts.
async fn uncounted() -> (Python, Caller) {
    let (server, channel) = start().await;
    (server, Caller::new(channel, Tally::default()))
}

macro_rules! cases {
    ($($case:ident),* $(,)?) => { $(
        #[tokio::test]
        #[ignore = "needs grpcio"]
        async fn $case() {
            let tally = Tally::default();
            let (server, channel) = start().await;
            in_time(cases::$case(Caller::new(channel, tally.clone()))).await.unwrap();
            Heard::of(stringify!($case)).check_caller(&tally.counts());
            server.end().await;
        }
    )* };
}

cases! {
    empty_unary,
    large_unary,
    client_streaming,
    server_streaming,
    ping_pong,
    empty_stream,
    status_code_and_message,
    special_status_message,
    custom_metadata,
    unimplemented_method,
    unimplemented_service,
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn timeout_on_sleeping_server() {
    let tally = Tally::default();
    let (server, channel) = start().await;
    let caller = Caller::new(channel, tally.clone());
    in_time(cases::timeout_on_sleeping_server(caller)).await.unwrap();
    Heard::of("timeout_on_sleeping_server").by_a_late_head().check_caller(&tally.counts());
    server.end().await;
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn cancel_after_begin() {
    let tally = Tally::default();
    let (server, channel) = start().await;
    let server = Mutex::new(server);
    let begun = async {
        server.lock().await.hear("begun StreamingInputCall ").await;
    };
    let over = async {
        server.lock().await.hear("over StreamingInputCall").await;
    };
    let caller = Caller::new(channel, tally.clone());
    in_time(cases::cancel_after_begin(caller, begun, over)).await.unwrap();
    Heard::of("cancel_after_begin").check_caller(&tally.counts());
    server.into_inner().end().await;
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn cancel_after_first_response() {
    let tally = Tally::default();
    let (mut server, channel) = start().await;
    let over = async {
        server.hear("begun FullDuplexCall ").await;
        server.hear("over FullDuplexCall").await;
    };
    let caller = Caller::new(channel, tally.clone());
    in_time(cases::cancel_after_first_response(caller, over)).await.unwrap();
    Heard::of("cancel_after_first_response").check_caller(&tally.counts());
    server.end().await;
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn rich_errors_of_grpcio_status_are_read() {
    let (server, caller) = uncounted().await;
    let request = SimpleRequest { response_size: -1, ..Default::default() };
    let call = client::unary_call(caller.clone()).oneshot(Request::new(request));
    let error = in_time(call).await.unwrap_err();
    assert_eq!(error.kind(), Kind::InvalidArgument);
    let details = kit_transport_grpc::details(error.status().unwrap());
    assert_eq!(details.get_reason(), Some("SIZE_NEGATIVE"));
    assert_eq!(details.get_domain(), Some(DOMAIN));
    assert_eq!(details.get_metadata(), [("size".into(), "-1".to_owned())]);
    let [violation] = details.violations() else { panic!("{details:?}") };
    assert_eq!(
        (&*violation.field, &*violation.description),
        ("response_size", "the size -1 is negative")
    );

    let request = StreamingOutputCallRequest {
        response_parameters: vec![ResponseParameters { size: MOST + 1, interval_us: 0 }],
        ..Default::default()
    };
    let call = async {
        let call = client::streaming_output_call(caller).oneshot(Request::new(request));
        call.await?.try_next().await
    };
    let error = in_time(call).await.unwrap_err();
    assert_eq!(error.kind(), Kind::ResourceExhausted);
    assert_eq!(error.retry_after(), Some(Duration::from_millis(2500)));
    let details = kit_transport_grpc::details(error.status().unwrap());
    let [quota] = details.quotas() else { panic!("{details:?}") };
    assert_eq!((&*quota.subject, &*quota.description), ("response_size", "at most 4194304"));
    server.end().await;
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn our_deadline_is_its_handlers() {
    let (mut server, caller) = uncounted().await;
    let mut request = Request::new(Empty {});
    request.bring_forward(Instant::now() + Duration::from_secs(9));
    in_time(client::empty_call(caller).oneshot(request)).await.unwrap();
    let left: f64 = server.hear("begun EmptyCall ").await.parse().unwrap();
    assert!(left > 0.0 && left <= 9.0, "{left}");
    server.end().await;
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn a_call_past_our_deadline_is_over_at_both_ends() {
    let (mut server, caller) = uncounted().await;
    let requests = stream::pending::<Result<StreamingInputCallRequest, Infallible>>();
    let mut request = Request::new(requests);
    request.bring_forward(Instant::now() + Duration::from_millis(500));
    let call = client::streaming_input_call(caller).oneshot(request);
    let error = in_time(call).await.unwrap_err();
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    server.hear("begun StreamingInputCall ").await;
    server.hear("over StreamingInputCall").await;
    server.end().await;
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn replies_past_our_deadline_are_over_at_both_ends() {
    let (mut server, caller) = uncounted().await;
    let call = client::streaming_output_call(caller);
    let mut request = Request::new(one_and_then_none());
    request.bring_forward(Instant::now() + Duration::from_secs(1));
    let mut replies = in_time(call.oneshot(request)).await.unwrap();
    in_time(replies.try_next()).await.unwrap().unwrap();
    let error = in_time(replies.try_next()).await.unwrap_err();
    assert_eq!(error.kind(), Kind::DeadlineExceeded);
    server.hear("begun StreamingOutputCall ").await;
    server.hear("over StreamingOutputCall").await;
    server.end().await;
}

/// Asks for a reply at once, and for another that does not come in time.
fn one_and_then_none() -> StreamingOutputCallRequest {
    let after = |interval_us| ResponseParameters { size: 1, interval_us };
    StreamingOutputCallRequest {
        response_parameters: vec![after(0), after(60_000_000)],
        ..Default::default()
    }
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn a_dropped_call_ends_its_handler_in_each_shape_that_lasts() {
    let (mut server, caller) = uncounted().await;

    let requests = stream::pending::<Result<StreamingInputCallRequest, Infallible>>();
    let call = client::streaming_input_call(caller.clone()).oneshot(Request::new(requests));
    tokio::select! {
        reply = call => panic!("it is answered: {reply:?}"),
        _ = server.hear("begun StreamingInputCall ") => {}
    }
    server.hear("over StreamingInputCall").await;

    let call = client::streaming_output_call(caller.clone());
    let mut replies = in_time(call.oneshot(Request::new(one_and_then_none()))).await.unwrap();
    in_time(replies.try_next()).await.unwrap().unwrap();
    server.hear("begun StreamingOutputCall ").await;
    drop(replies);
    server.hear("over StreamingOutputCall").await;

    let requests =
        stream::iter([Ok::<_, Infallible>(one_and_then_none())]).chain(stream::pending());
    let call = client::full_duplex_call(caller);
    let mut replies = in_time(call.oneshot(Request::new(requests))).await.unwrap();
    in_time(replies.try_next()).await.unwrap().unwrap();
    server.hear("begun FullDuplexCall ").await;
    drop(replies);
    server.hear("over FullDuplexCall").await;
    server.end().await;
}
