//! Its client at our server.

use crate::{
    python::Python,
    support::{Heard, Served, begun, ends, in_time},
};
use kit_endpoint::Kind::{self, Cancelled, DeadlineExceeded};
use kit_interop::{Counts, Tally};
use std::time::Duration;

/// Runs a part of the script, and returns what our server has heard.
async fn run(part: &str, ends: usize) -> Counts {
    let tally = Tally::default();
    let served = Served::at_loopback(&tally).await;
    let mut client = Python::start("client.py", &[&served.address().to_string(), part]);
    if part == "cancel_after_begin" {
        in_time(begun(&tally)).await;
        client.say("begun").await;
    }
    assert_eq!(client.line().await, "ok");
    client.end().await;
    // Of some ends the server hears after the client.
    in_time(tally.wait_for(|counts| counts.ends.len() >= ends)).await;
    in_time(served.stop()).await;
    tally.counts()
}

macro_rules! cases {
    ($($case:ident),* $(,)?) => { $(
        #[tokio::test]
        #[ignore = "needs grpcio"]
        async fn $case() {
            let heard = Heard::of(stringify!($case));
            heard.check(&run(stringify!($case), heard.calls()).await);
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
    cancel_after_begin,
    cancel_after_first_response,
    status_code_and_message,
    special_status_message,
    custom_metadata,
    unimplemented_method,
    unimplemented_service,
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn timeout_on_sleeping_server() {
    // Not the millisecond of the case, which may be over before the call is on
    // its way: the second of the script suffices to come to the endpoint.
    let counts = run("timeout_on_sleeping_server", 1).await;
    let [(_, Some(left))] = counts.begun[..] else { panic!("{counts:?}") };
    // It rounds up.
    assert!(left <= Duration::from_secs(2), "{left:?}");
    assert_eq!((counts.before, counts.after), (1, 1), "{counts:?}");
    let (hook, layer) = ends(&counts);
    // It may be over for the client before it is for the server.
    let ended = |end: &Option<Kind>| matches!(end, Some(DeadlineExceeded | Cancelled));
    assert_eq!((hook.len(), layer.len()), (1, 1), "{counts:?}");
    assert!(hook.iter().chain(&layer).all(ended), "{counts:?}");
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn rich_errors_are_read_by_grpcio_status() {
    let (hook, layer) = ends(&run("rich_errors", 2).await);
    assert_eq!(hook, [Some(Kind::InvalidArgument), Some(Kind::ResourceExhausted)]);
    assert_eq!(layer, hook);
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn its_deadline_is_the_endpoints() {
    let counts = run("a_deadline", 1).await;
    let [(_, Some(left))] = counts.begun[..] else { panic!("{counts:?}") };
    // It rounds up.
    assert!(left > Duration::ZERO && left <= Duration::from_secs(11), "{left:?}");
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn an_expired_deadline_is_deadline_exceeded() {
    let (hook, layer) = ends(&run("an_expired_deadline", 1).await);
    assert_eq!(hook, [Some(DeadlineExceeded)]);
    // It makes a nanosecond of none, which may suffice to come to the layer.
    assert!(layer.is_empty() || layer == hook, "{layer:?}");
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn its_deadline_is_kept_by_the_server() {
    let counts = run("a_deadline_that_the_server_keeps", 2).await;
    let late = vec![Some(DeadlineExceeded); 2];
    assert_eq!(ends(&counts).0, late);
    // The layer of the endpoint and the one around all have the same deadline:
    // whichever is first, the work has ended.
    assert!(ends(&counts).1.iter().all(|end| matches!(end, Some(DeadlineExceeded | Cancelled))));
    assert_eq!(counts.calls.len(), 2, "{counts:?}");
}

#[tokio::test]
#[ignore = "needs grpcio"]
async fn its_cancel_drops_the_endpoints_stream() {
    let (hook, layer) = ends(&run("a_cancelled_stream_of_replies", 1).await);
    assert_eq!((hook, layer), (vec![Some(Cancelled)], vec![Some(Cancelled)]));
}
