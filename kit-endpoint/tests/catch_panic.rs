//! Panics of a service, wherever they happen, fail one call each.
//!
//! The panic hook still writes to stderr: a test that fails shows more lines
//! than it needs.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use http::Response;
use kit_endpoint::{AsGrpc, AsHttp, CatchPanic, CatchPanicLayer, Fault, Kind, Panicked};
use std::{
    convert::Infallible,
    future::{Ready, ready},
    mem::ManuallyDrop,
    panic::{AssertUnwindSafe, catch_unwind, panic_any},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    task::{Context, Poll},
};
use tokio_stream::Stream;
use tokio_test::{assert_pending, assert_ready, assert_ready_err, assert_ready_ok, task};
use tower::{BoxError, Layer, Service, service_fn};
use tower_test::mock::{self, Mock, Spawn};

#[derive(Debug, thiserror::Error)]
enum Error {
    #[error("boom")]
    Boom,
    #[error(transparent)]
    Panicked(#[from] Panicked),
}

fn said(error: &Error) -> Option<&str> {
    match error {
        Error::Boom => panic!("not a panic"),
        Error::Panicked(fact) => fact.message(),
    }
}

fn poll_ready<S: Service<Req>, Req>(service: &mut S) -> Poll<Result<(), S::Error>> {
    service.poll_ready(&mut Context::from_waker(std::task::Waker::noop()))
}

/// A future that panics at its `n`th poll, and once more when it is dropped.
struct Explosive {
    polls: u32,
    dropped: Arc<AtomicUsize>,
}

impl Future for Explosive {
    type Output = Result<(), Error>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        self.polls -= 1;
        assert!(self.polls > 0, "in the future");
        cx.waker().wake_by_ref();
        Poll::Pending
    }
}

impl Drop for Explosive {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if self.polls == 0 {
            panic_any(DropMe);
        }
    }
}

/// A payload whose drop panics, with another that does.
struct DropMe;

impl Drop for DropMe {
    fn drop(&mut self) {
        panic_any(Self);
    }
}

/// Runs what must not panic. The harness would hang on a `DropMe` that reached
/// it, so that one is leaked.
fn unpanicked<T>(f: impl FnOnce() -> T) -> T {
    catch_unwind(AssertUnwindSafe(f)).unwrap_or_else(|payload| {
        let _ = ManuallyDrop::new(payload);
        panic!("a panic got past the layer");
    })
}

// ===== where it happens =====

#[test]
fn a_panic_in_call_is_a_fact() {
    let mut service = CatchPanicLayer::new().layer(service_fn(|divisor: u32| {
        assert_ne!(divisor, 0, "in call");
        ready(Ok::<_, Error>(100 / divisor))
    }));
    let error = assert_ready_err!(task::spawn(service.call(0)).poll());
    assert!(said(&error).is_some_and(|said| said.contains("in call")), "{error}");
    assert_eq!(assert_ready_ok!(task::spawn(service.call(4)).poll()), 25, "the next call works");
}

#[test]
fn a_panic_at_the_first_poll_is_a_fact() {
    let mut service = CatchPanicLayer::new().layer(service_fn(async |divisor: u32| {
        assert_ne!(divisor, 0, "in the future");
        if divisor > 100 { Err(Error::Boom) } else { Ok(100 / divisor) }
    }));
    let error = assert_ready_err!(task::spawn(service.call(0)).poll());
    assert!(said(&error).is_some_and(|said| said.contains("in the future")), "{error}");
    let error = assert_ready_err!(task::spawn(service.call(101)).poll());
    assert!(matches!(error, Error::Boom), "an error is no panic");
    assert_eq!(assert_ready_ok!(task::spawn(service.call(4)).poll()), 25, "the next call works");
}

#[test]
fn a_panic_at_a_later_poll_is_a_fact_and_a_panicking_drop_is_no_second() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let leftover = Arc::clone(&dropped);
    let mut service = CatchPanicLayer::new()
        .layer(service_fn(move |polls| Explosive { polls, dropped: Arc::clone(&leftover) }));
    for polls in [1, 2, 3] {
        let mut reply = task::spawn(service.call(polls));
        for _ in 1..polls {
            assert_pending!(reply.poll());
        }
        let error = assert_ready_err!(unpanicked(|| reply.poll()));
        assert_eq!(said(&error), Some("in the future"));
        assert_eq!(dropped.swap(0, Ordering::Relaxed), 1, "what is left is dropped at once");
        drop(reply);
        assert_eq!(dropped.load(Ordering::Relaxed), 0, "and only once");
    }
}

/// A service whose `poll_ready` panics as often as told, and that counts how
/// often it was asked.
#[derive(Clone)]
struct Unready {
    panics: u32,
    asked: u32,
}

impl Service<&'static str> for Unready {
    type Response = &'static str;
    type Error = Error;
    type Future = Ready<Result<&'static str, Error>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.asked += 1;
        if self.panics > 0 {
            self.panics -= 1;
            panic!("in readiness");
        }
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: &'static str) -> Self::Future {
        ready(Ok(request))
    }
}

fn unready(panics: u32) -> CatchPanic<Unready> {
    CatchPanicLayer::new().layer(Unready { panics, asked: 0 })
}

#[test]
fn a_panic_in_readiness_is_answered_by_the_call() {
    let mut service = unready(1);
    assert_ready_ok!(poll_ready(&mut service));
    let error = assert_ready_err!(task::spawn(service.call("lost")).poll());
    assert_eq!(said(&error), Some("in readiness"));

    assert_ready_ok!(poll_ready(&mut service));
    assert_eq!(assert_ready_ok!(task::spawn(service.call("next")).poll()), "next");
}

#[test]
fn a_panic_in_readiness_is_answered_before_the_service_is_asked_again() {
    let mut service = unready(1);
    assert_ready_ok!(poll_ready(&mut service));
    assert_ready_ok!(poll_ready(&mut service));
    assert_eq!(service.get_ref().asked, 1);
    assert_ready_err!(task::spawn(service.call("lost")).poll());
}

#[test]
fn a_clone_does_not_answer_for_the_panic_of_another() {
    let mut service = unready(1);
    assert_ready_ok!(poll_ready(&mut service));
    let mut clone = service.clone();
    assert_ready_ok!(poll_ready(&mut clone));
    assert_eq!(assert_ready_ok!(task::spawn(clone.call("fine")).poll()), "fine");
    assert_ready_err!(task::spawn(service.call("lost")).poll());
}

// ===== in a stream =====

/// A stream of so many items that panics after them, and once more when it is
/// dropped.
struct Fuse {
    items: u32,
    dropped: Arc<AtomicUsize>,
}

impl Stream for Fuse {
    type Item = Result<u32, Error>;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        assert!(self.items > 0, "in the stream");
        self.items -= 1;
        Poll::Ready(Some(Ok(self.items)))
    }
}

impl Drop for Fuse {
    fn drop(&mut self) {
        self.dropped.fetch_add(1, Ordering::Relaxed);
        if self.items == 0 {
            panic_any(DropMe);
        }
    }
}

#[test]
fn a_panic_amid_a_stream_is_its_last_item() {
    let dropped = Arc::new(AtomicUsize::new(0));
    let leftover = Arc::clone(&dropped);
    let mut service = CatchPanicLayer::new().streaming().layer(service_fn(move |items| {
        ready(Ok::<_, Error>(Fuse { items, dropped: Arc::clone(&leftover) }))
    }));
    for items in [0, 2] {
        let reply = assert_ready_ok!(task::spawn(service.call(items)).poll());
        let mut reply = task::spawn(reply);
        for item in (0..items).rev() {
            assert_eq!(assert_ready_ok!(reply.poll_next().map(Option::unwrap)), item);
        }
        let error = assert_ready_err!(unpanicked(|| reply.poll_next()).map(Option::unwrap));
        assert_eq!(said(&error), Some("in the stream"));
        assert_eq!(dropped.swap(0, Ordering::Relaxed), 1, "what is left is dropped at once");
        assert!(assert_ready!(reply.poll_next()).is_none(), "that was the last");
        drop(reply);
        assert_eq!(dropped.load(Ordering::Relaxed), 0, "and only once");
    }
}

#[test]
fn a_stream_passes_unchanged() {
    let mut service = CatchPanicLayer::new().streaming().layer(service_fn(|()| {
        let items = [Ok(1), Err(Error::Boom), Ok(2)];
        ready(Ok::<_, Error>(tokio_stream::iter(items)))
    }));
    let reply = assert_ready_ok!(task::spawn(service.call(())).poll());
    let mut reply = task::spawn(reply);
    assert_eq!(assert_ready_ok!(reply.poll_next().map(Option::unwrap)), 1);
    let error = assert_ready_err!(reply.poll_next().map(Option::unwrap));
    assert!(matches!(error, Error::Boom), "an error is no panic");
    assert_eq!(assert_ready_ok!(reply.poll_next().map(Option::unwrap)), 2);
    assert!(assert_ready!(reply.poll_next()).is_none());
}

#[test]
fn a_panic_before_the_stream_is_the_reply() {
    let mut service = CatchPanicLayer::new().streaming().layer(service_fn(async |items| {
        assert_ne!(items, 0, "in the future");
        Ok::<_, Error>(Fuse { items, dropped: Arc::default() })
    }));
    let reply = task::spawn(service.call(0)).poll().map_ok(drop);
    assert!(said(&assert_ready_err!(reply)).is_some_and(|said| said.contains("in the future")));
}

// ===== what it says =====

#[test]
fn text_is_told_and_other_payloads_are_not() {
    type Throw = fn();
    let told: [(Throw, Option<&str>); 4] = [
        (|| panic!("a literal"), Some("a literal")),
        (|| panic_any(String::from("a string")), Some("a string")),
        (|| panic_any(7_u8), None),
        (|| panic_any(DropMe), None),
    ];
    for (throw, expected) in told {
        let mut service =
            CatchPanicLayer::new().layer(service_fn(move |throw: Throw| -> Ready<_> {
                throw();
                ready(Ok::<(), Panicked>(()))
            }));
        let reply = unpanicked(|| task::spawn(service.call(throw)).poll());
        let fact = assert_ready_err!(reply);
        assert_eq!(fact.message(), expected);
        assert_eq!(fact.kind(), Kind::Internal);
        assert!(!fact.refused(), "something ran");
        let text = expected.map_or("the service panicked".to_owned(), |said| {
            format!("the service panicked: {said}")
        });
        assert_eq!(fact.to_string(), text);
    }
}

// ===== what passes =====

#[test]
fn replies_and_errors_pass_unchanged() {
    let (mut service, mut handle): (Spawn<CatchPanic<Mock<&str, &str>>>, _) =
        mock::spawn_layer(CatchPanicLayer::new());
    for fails in [false, true] {
        assert_ready_ok!(service.poll_ready());
        let mut reply = task::spawn(service.call("request"));
        assert_pending!(reply.poll());
        let (request, send) = assert_ready!(handle.poll_request()).expect("the layer is alive");
        assert_eq!(request, "request");
        if fails {
            send.send_error("boom");
            assert_eq!(assert_ready_err!(reply.poll()).to_string(), "boom");
        } else {
            send.send_response("reply");
            assert_eq!(assert_ready_ok!(reply.poll()), "reply");
        }
    }
}

#[test]
fn readiness_is_that_of_the_inner_service() {
    let (mut service, mut handle): (Spawn<CatchPanic<Mock<(), ()>>>, _) =
        mock::spawn_layer(CatchPanicLayer::new());
    handle.allow(0);
    assert_pending!(service.poll_ready());
    handle.allow(1);
    assert_ready_ok!(service.poll_ready());
    handle.send_error("broken");
    assert_eq!(assert_ready_err!(service.poll_ready()).to_string(), "broken");
}

// ===== how it answers =====

#[test]
fn the_fact_becomes_a_box_error() {
    let mut service = CatchPanicLayer::new()
        .layer(service_fn(|()| -> Ready<Result<(), BoxError>> { panic!("in call") }));
    let error = assert_ready_err!(task::spawn(service.call(())).poll());
    assert!(error.is::<Panicked>(), "{error}");
}

#[test]
fn a_service_that_cannot_fail_answers_as_http_and_says_nothing() {
    type Reply = Ready<Result<Response<String>, Infallible>>;
    let mut service = CatchPanicLayer::new()
        .refuse(AsHttp)
        .layer(service_fn(|()| -> Reply { panic!("the password is 1234") }));
    let reply = assert_ready_ok!(task::spawn(service.call(())).poll());
    assert_eq!(reply.status(), 500);
    assert!(!reply.body().contains("1234"), "{}", reply.body());
}

#[test]
fn a_service_that_cannot_fail_answers_as_grpc_and_says_nothing() {
    type Reply = Ready<Result<Response<()>, Infallible>>;
    let mut service = CatchPanicLayer::new()
        .refuse(AsGrpc)
        .layer(service_fn(|()| -> Reply { panic!("the password is 1234") }));
    let reply = assert_ready_ok!(task::spawn(service.call(())).poll());
    assert_eq!(reply.headers()["grpc-status"], "13");
    assert_eq!(reply.headers()["grpc-message"], "internal error");
}

#[test]
fn a_function_answers_as_it_likes() {
    let refuse = |fact: Panicked| Ok::<_, Infallible>(fact.message().map(str::to_owned));
    let mut service = CatchPanicLayer::new()
        .refuse(refuse)
        .layer(service_fn(|()| -> Ready<Result<_, _>> { panic!("in call") }));
    let reply = assert_ready_ok!(task::spawn(service.call(())).poll());
    assert_eq!(reply.as_deref(), Some("in call"));
}
