//! Our client and our server, over pipes in memory and on a paused clock: each
//! case holds, and hooks on both sides and layers hear of each call of it, once.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

mod support;

use kit_interop::{Tally, cases, client::Caller};
use support::{Heard, in_time, pipes};

/// Checks what is heard of `case`, which `call` goes through.
async fn check<F>(case: &str, call: impl FnOnce(Caller, Tally) -> F)
where
    F: Future<Output = Result<(), cases::Failure>>,
{
    let tally = Tally::default();
    let (channel, served) = pipes(&tally);
    let calls = Tally::default();
    let heard = Heard::of(case);
    in_time(call(Caller::new(channel, calls.clone()), tally.clone())).await.unwrap();
    heard.check_caller(&calls.counts());
    // Of some ends the server hears after the client.
    in_time(tally.wait_for(|counts| heard.is_over(counts))).await;
    // Nothing is heard twice, not even when all is closed.
    in_time(served.stop()).await;
    heard.check(&tally.counts());
}

macro_rules! cases {
    ($($case:ident),* $(,)?) => { $(
        #[tokio::test(start_paused = true)]
        async fn $case() {
            check(stringify!($case), |caller, _| cases::$case(caller)).await;
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
    timeout_on_sleeping_server,
    status_code_and_message,
    special_status_message,
    custom_metadata,
    unimplemented_method,
    unimplemented_service,
}

#[tokio::test(start_paused = true)]
async fn cancel_after_begin() {
    let call = |caller, tally: Tally| async move {
        cases::cancel_after_begin(caller, support::begun(&tally), support::cancelled(&tally)).await
    };
    check("cancel_after_begin", call).await;
}

#[tokio::test(start_paused = true)]
async fn cancel_after_first_response() {
    let call = |caller, tally: Tally| async move {
        cases::cancel_after_first_response(caller, support::cancelled(&tally)).await
    };
    check("cancel_after_first_response", call).await;
}
