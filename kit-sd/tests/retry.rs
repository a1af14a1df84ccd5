//! Retry: how often, what, until when, and what it tells.
#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use kit_endpoint::{Endpoint, Expires, Fault, Kind, Request, Resent};
use kit_sd::{
    Endpoints, Instance, Retry, RoundRobin,
    retry::{GaveUp, Idempotent, OnlyRefused, Reason, Retryable},
};
use std::{
    error::Error as _,
    fmt,
    future::{Ready, pending, ready},
    sync::{
        Arc, Mutex,
        atomic::{AtomicU32, Ordering},
    },
    task::{Context, Poll},
    time::Duration,
};
use tokio::time::Instant;
use tokio_test::{assert_pending, assert_ready, task};
use tower::{Service, ServiceExt, service_fn};

const LIMIT: Duration = Duration::from_millis(500);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Failed {
    kind: Kind,
    ran: bool,
    attempt: u32,
}

impl fmt::Display for Failed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.kind, self.attempt)
    }
}

impl std::error::Error for Failed {}

impl Fault for Failed {
    fn kind(&self) -> Kind {
        self.kind
    }

    fn retry_after(&self) -> Option<Duration> {
        Some(Duration::from_secs(7))
    }

    fn refused(&self) -> bool {
        !self.ran
    }
}

/// Fails as the script says, attempt by attempt, and then succeeds with their
/// number.
#[derive(Clone)]
struct Script(Arc<[(Kind, bool)]>, Arc<AtomicU32>);

impl Script {
    fn new(script: &[(Kind, bool)]) -> Self {
        Self(script.into(), Arc::default())
    }

    fn attempts(&self) -> u32 {
        self.1.load(Ordering::Relaxed)
    }
}

impl Service<Request<()>> for Script {
    type Response = u32;
    type Error = Failed;
    type Future = Ready<Result<u32, Failed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        let attempt = self.1.fetch_add(1, Ordering::Relaxed);
        ready(match usize::try_from(attempt).ok().and_then(|attempt| self.0.get(attempt)) {
            Some(&(kind, ran)) => Err(Failed { kind, ran, attempt }),
            None => Ok(attempt),
        })
    }
}

/// Every attempt is unavailable and may have run.
fn down(attempts: usize) -> Script {
    Script::new(&vec![(Kind::Unavailable, true); attempts])
}

fn balancer<S: Clone + Send + Sync + 'static>(
    endpoints: impl IntoIterator<Item = S>,
) -> RoundRobin<S> {
    RoundRobin::new(Endpoints::fixed((1_u8..).zip(endpoints).map(|(n, endpoint)| {
        (Instance::new("hello", format!("10.0.0.{n}:80").parse().unwrap()), endpoint)
    })))
}

/// Calls once, which must not wait.
fn call<C: Retryable<Request<()>, Failed>>(
    script: &Script,
    attempts: u32,
    retryable: C,
) -> Result<u32, GaveUp<Failed>> {
    let retry = Retry::new(balancer([script.clone()]), attempts, LIMIT).retryable(retryable);
    assert_ready!(task::spawn(retry.oneshot(Request::new(()))).poll())
}

#[tokio::test]
async fn each_try_but_the_first_says_how_often_it_was_sent_before() {
    /// Is not ready for the second try, which so is not sent.
    #[derive(Clone, Default)]
    struct Told(Arc<Mutex<Vec<Option<Resent>>>>, Arc<AtomicU32>);

    impl Service<Request<()>> for Told {
        type Response = ();
        type Error = Failed;
        type Future = Ready<Result<(), Failed>>;

        fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
            let attempt = self.1.fetch_add(1, Ordering::Relaxed);
            let failed = Failed { kind: Kind::Unavailable, ran: false, attempt };
            Poll::Ready(if attempt == 1 { Err(failed) } else { Ok(()) })
        }

        fn call(&mut self, request: Request<()>) -> Self::Future {
            self.0.lock().unwrap().push(request.extensions().get().copied());
            ready(Err(Failed { kind: Kind::Unavailable, ran: false, attempt: 0 }))
        }
    }

    let told = Told::default();
    let retry = Retry::new(balancer([told.clone()]), 4, LIMIT);
    let mut request = Request::new(());
    // Of the try that asks this on its behalf.
    request.extensions_mut().insert(Resent(7));
    assert_ready!(task::spawn(retry.oneshot(request)).poll()).unwrap_err();
    assert_eq!(*told.0.lock().unwrap(), [None, Some(Resent(1)), Some(Resent(2))]);
}

#[tokio::test]
async fn without_endpoints_many_tries_are_none() {
    let retry = Retry::new(balancer::<Script>([]), 999, LIMIT);
    let gave_up = assert_ready!(task::spawn(retry.oneshot(Request::new(()))).poll()).unwrap_err();
    assert_eq!(gave_up.reason(), Reason::NoEndpoints);
    assert!(gave_up.attempts().is_empty() && gave_up.source().is_none());
    assert_eq!(gave_up.kind(), Kind::Unavailable);
    assert!(gave_up.refused());
}

#[tokio::test]
async fn two_tries_over_two_failures_fail() {
    let script = down(2);
    let gave_up = call(&script, 2, Idempotent).unwrap_err();
    assert_eq!(script.attempts(), 2);
    assert_eq!(gave_up.reason(), Reason::Attempts);
    assert_eq!(gave_up.attempts().iter().map(|error| error.attempt).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(gave_up.source().unwrap().to_string(), "UNAVAILABLE 1");
    assert_eq!(gave_up.to_string(), "UNAVAILABLE 1 (previously: UNAVAILABLE 0)");
    assert_eq!(gave_up.kind(), Kind::Unavailable);
    assert_eq!(gave_up.retry_after(), Some(Duration::from_secs(7)));
    assert!(!gave_up.refused());
    assert_eq!(gave_up.into_last().unwrap().attempt, 1);
}

#[tokio::test]
async fn three_tries_over_two_failures_succeed() {
    let script = down(2);
    assert_eq!(call(&script, 3, Idempotent).unwrap(), 2);
}

#[tokio::test]
async fn the_first_attempt_counts_and_none_is_one() {
    for attempts in [0, 1] {
        let script = down(1);
        call(&script, attempts, Idempotent).unwrap_err();
        assert_eq!(script.attempts(), 1);
    }
}

#[tokio::test]
async fn every_attempt_asks_the_balancer_anew() {
    let (up, broken) = (down(0), down(9));
    let retry = Retry::new(balancer([broken.clone(), up]), 2, LIMIT).retryable(Idempotent);
    for n in 0..2 {
        assert_eq!(retry.clone().oneshot(Request::new(())).await.unwrap(), n);
        assert_eq!(broken.attempts(), n + 1);
    }
}

#[tokio::test]
async fn by_default_only_what_did_not_run_is_tried_again() {
    let refused = Script::new(&[(Kind::Unavailable, false), (Kind::ResourceExhausted, false)]);
    assert_eq!(call(&refused, 3, OnlyRefused).unwrap(), 2);

    let ran = down(1);
    let gave_up = call(&ran, 3, OnlyRefused).unwrap_err();
    assert_eq!((ran.attempts(), gave_up.reason()), (1, Reason::NotRetryable));
}

#[tokio::test]
async fn what_the_caller_did_is_never_tried_again() {
    let faults = Kind::ALL.into_iter().filter(|kind| *kind != Kind::Unavailable);
    for kind in faults {
        let script = Script::new(&[(kind, true)]);
        let gave_up = call(&script, 3, Idempotent).unwrap_err();
        assert_eq!((script.attempts(), gave_up.kind()), (1, kind));
    }
    for kind in [Kind::Cancelled, Kind::InvalidArgument, Kind::DeadlineExceeded] {
        let script = Script::new(&[(kind, false)]);
        let gave_up = call(&script, 3, Idempotent).unwrap_err();
        assert_eq!((script.attempts(), gave_up.reason()), (1, Reason::NotRetryable));
    }
}

#[tokio::test]
async fn a_function_may_say_what_is_tried_again() {
    let script = Script::new(&[(Kind::Aborted, true)]);
    let aborted = |_: &Request<()>, error: &Failed| error.kind == Kind::Aborted;
    assert_eq!(call(&script, 3, aborted).unwrap(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_function_that_says_no_ends_it_with_the_error_as_it_was() {
    let script = Script::new(&[(Kind::Aborted, true), (Kind::Unavailable, false)]);
    let aborted = |_: &Request<()>, error: &Failed| error.kind == Kind::Aborted;
    let gave_up = call(&script, 999, aborted).unwrap_err();
    assert_eq!(gave_up.attempts().len(), 2);
    let last = gave_up.into_last().unwrap();
    assert_eq!((last.kind, last.ran), (Kind::Unavailable, false));
}

#[tokio::test]
async fn it_is_refused_only_if_no_attempt_ran() {
    let never_ran = Script::new(&[(Kind::Unavailable, false); 2]);
    assert!(call(&never_ran, 2, Idempotent).unwrap_err().refused());
    let ran_first = Script::new(&[(Kind::Unavailable, true), (Kind::Unavailable, false)]);
    assert!(!call(&ran_first, 2, Idempotent).unwrap_err().refused());
}

#[tokio::test]
async fn a_caller_at_fault_is_not_shown_what_failed_before() {
    let script = Script::new(&[(Kind::Unavailable, true), (Kind::InvalidArgument, true)]);
    let gave_up = call(&script, 3, Idempotent).unwrap_err();
    assert_eq!(gave_up.to_string(), "INVALID_ARGUMENT 1");
    assert_eq!(gave_up.attempts().len(), 2);
}

#[tokio::test(start_paused = true)]
async fn one_time_is_for_all_attempts_and_their_errors_are_kept() {
    let started = Instant::now();
    let attempts = Arc::new(AtomicU32::new(0));
    let counted = Arc::clone(&attempts);
    let endpoint = service_fn(move |_: Request<()>| {
        let attempt = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            if attempt == 2 {
                pending::<()>().await;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
            Err::<(), _>(Failed { kind: Kind::Unavailable, ran: true, attempt })
        }
    });
    let retry = Retry::new(balancer([endpoint]), 9, LIMIT).retryable(Idempotent);
    let gave_up = retry.oneshot(Request::new(())).await.unwrap_err();
    assert_eq!(started.elapsed(), LIMIT);
    assert_eq!(gave_up.reason(), Reason::Deadline);
    assert_eq!(gave_up.kind(), Kind::DeadlineExceeded);
    assert!(!gave_up.refused());
    assert_eq!(gave_up.attempts().iter().map(|error| error.attempt).collect::<Vec<_>>(), [0, 1]);
    assert_eq!(gave_up.source().unwrap().to_string(), "UNAVAILABLE 1");
    assert_eq!(
        gave_up.to_string(),
        "no attempt succeeded in time (previously: UNAVAILABLE 0; UNAVAILABLE 1)"
    );
}

#[tokio::test(start_paused = true)]
async fn an_attempt_is_cancelled_when_the_time_is_over() {
    let held = Arc::new(());
    let watched = Arc::downgrade(&held);
    let endpoint = service_fn(move |_: Request<()>| {
        let held = Arc::clone(&held);
        async move {
            pending::<()>().await;
            drop(held);
            Ok::<_, Failed>(())
        }
    });
    let balancer = balancer([endpoint]);
    let mut retry = Retry::new(balancer, 3, LIMIT);
    let mut reply = task::spawn(retry.call(Request::new(())));
    assert_pending!(reply.poll());
    assert_eq!(watched.strong_count(), 2);
    tokio::time::advance(LIMIT).await;
    assert_ready!(reply.poll()).unwrap_err();
    assert_eq!(watched.strong_count(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_reply_that_is_ready_goes_before_the_deadline() {
    let (reply, waits) = tokio::sync::oneshot::channel::<u32>();
    let waits = Arc::new(tokio::sync::Mutex::new(Some(waits)));
    let endpoint = service_fn(move |_: Request<()>| {
        let waits = Arc::clone(&waits);
        async move { Ok::<_, Failed>(waits.lock().await.take().unwrap().await.unwrap()) }
    });
    let mut retry = Retry::new(balancer([endpoint]), 3, LIMIT);
    let mut call = task::spawn(retry.call(Request::new(())));
    assert_pending!(call.poll());
    tokio::time::advance(LIMIT * 2).await;
    reply.send(7).unwrap();
    assert_eq!(assert_ready!(call.poll()).unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn attempts_are_told_the_sooner_deadline() {
    let endpoint =
        service_fn(|request: Request<()>| ready(Ok::<_, Failed>(request.deadline().unwrap())));
    let retry = Retry::new(balancer([endpoint]), 3, LIMIT);
    let now = Instant::now();
    let told = retry.clone().oneshot(Request::new(())).await.unwrap();
    assert_eq!(told, now + LIMIT);
    let sooner = now + LIMIT / 2;
    let told = retry.oneshot(Request::new(()).within(sooner)).await.unwrap();
    assert_eq!(told, sooner);
}

#[tokio::test(start_paused = true)]
async fn a_request_that_expired_is_not_tried_at_all() {
    let script = down(0);
    let retry = Retry::new(balancer([script.clone()]), 3, LIMIT);
    let expired = Request::new(()).within(Instant::now());
    let gave_up = retry.oneshot(expired).await.unwrap_err();
    assert_eq!((gave_up.reason(), script.attempts()), (Reason::Deadline, 0));
}

#[derive(Clone)]
struct NeverReady;

impl Service<Request<()>> for NeverReady {
    type Response = u32;
    type Error = Failed;
    type Future = Ready<Result<u32, Failed>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Failed>> {
        Poll::Pending
    }

    fn call(&mut self, _: Request<()>) -> Self::Future {
        panic!("called though it was not ready")
    }
}

#[tokio::test(start_paused = true)]
async fn an_endpoint_that_is_never_ready_is_waited_for_in_time() {
    let mut retry = Retry::new(balancer([NeverReady]), 3, LIMIT);
    let ready = task::spawn(()).enter(|cx, _| Service::<Request<()>>::poll_ready(&mut retry, cx));
    assert_ready!(ready).unwrap();
    let started = Instant::now();
    let gave_up = retry.oneshot(Request::new(())).await.unwrap_err();
    assert_eq!((gave_up.reason(), started.elapsed()), (Reason::Deadline, LIMIT));
}

#[tokio::test]
async fn http_requests_are_retried_too() {
    let endpoint = service_fn(|request: http::Request<String>| {
        assert!(request.extensions().get::<Expires>().is_some());
        ready(Ok::<_, Failed>(request.into_body()))
    });
    let retry = Retry::new(balancer([endpoint]), 3, LIMIT);
    assert_eq!(retry.oneshot(http::Request::new("body".to_owned())).await.unwrap(), "body");
}

#[test]
fn it_is_an_endpoint() {
    fn check<Req>(_: &impl Endpoint<Req>) {}
    check::<()>(&Retry::new(balancer([down(0)]), 3, LIMIT));
}
