//! `finish` is called once, with the truth, whatever becomes of a request.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame};
use http_body_util::{Empty, Full, StreamBody};
use kit_endpoint::{Fault, Kind};
use kit_transport::{
    End, Observer, Outcome, Phase, Watch, Watched,
    deadline::{REQUEST_TIMEOUT_MS, timeout},
};
use std::{
    fmt,
    panic::{AssertUnwindSafe, catch_unwind},
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll, Waker},
    time::Duration,
};
use tokio::time::advance;

/// Keeps every end that it is told.
#[derive(Debug, Clone, Default)]
struct Ends(Arc<Mutex<Vec<End>>>);

impl Ends {
    fn watch(&self) -> Watch<Self> {
        Watch::new(self.clone())
    }

    fn none(&self) -> bool {
        self.0.lock().unwrap().is_empty()
    }

    /// Returns the one end.
    fn one(&self) -> End {
        // Let go of the lock first: a watch may end while this test fails.
        let mut ends = self.0.lock().unwrap().clone();
        assert_eq!(ends.len(), 1, "exactly once: {ends:?}");
        ends.remove(0)
    }
}

impl Observer for Ends {
    fn after(&mut self, headers: &mut HeaderMap) {
        headers.insert("seen", "yes".parse().unwrap());
    }

    fn finish(self, end: &End) {
        self.0.lock().unwrap().push(end.clone());
    }
}

type Result<T = Frame<Bytes>, E = &'static str> = std::result::Result<T, E>;

/// A body of these frames, which does not know its end before it is there.
fn frames<const N: usize>(
    frames: [Result; N],
) -> impl Body<Data = Bytes, Error = &'static str> + Unpin {
    // `StreamBody` asks for a stream; an iterator that is always ready is one.
    StreamBody::new(Ready(frames.into_iter()))
}

struct Ready<I>(I);

impl<I: Iterator + Unpin> futures_core::Stream for Ready<I> {
    type Item = I::Item;

    fn poll_next(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<I::Item>> {
        Poll::Ready(self.0.next())
    }
}

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

fn trailers(grpc_status: &str) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", grpc_status.parse().unwrap());
    Frame::trailers(trailers)
}

/// Takes the next frame, as a connection does.
fn take<B: Body + Unpin>(body: &mut B) -> Option<Result<Frame<B::Data>, B::Error>> {
    match Pin::new(body).poll_frame(&mut Context::from_waker(Waker::noop())) {
        Poll::Ready(frame) => frame,
        Poll::Pending => panic!("the body is always ready"),
    }
}

#[derive(Debug, thiserror::Error)]
#[error("cannot greet")]
struct Wrong(#[source] std::io::Error);

impl Fault for Wrong {
    fn kind(&self) -> Kind {
        Kind::Unavailable
    }
}

// ===== without a body =====

#[tokio::test(start_paused = true)]
async fn a_request_ends_as_it_stands() {
    let ends = Ends::default();
    let mut watch = ends.watch();
    let mut headers = HeaderMap::new();
    watch.received(7);
    watch.after(StatusCode::CREATED, &mut headers);
    assert_eq!(headers["seen"], "yes");
    advance(Duration::from_millis(30)).await;
    assert!(ends.none());
    watch.finish();
    watch.finish();
    drop(watch);

    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Replied);
    assert_eq!(end.status, Some(StatusCode::CREATED));
    assert_eq!((end.received, end.sent), (7, 0));
    assert_eq!(end.duration, Duration::from_millis(30));
    assert_eq!(end.error, None);
}

#[test]
fn a_failure_says_its_kind_and_its_sources() {
    let ends = Ends::default();
    let mut watch = ends.watch();
    watch.failed(&Wrong(std::io::Error::other("the wire is cut")));
    watch.finish();
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::Unavailable));
    assert_eq!(end.error.as_deref(), Some("cannot greet: the wire is cut"));
    assert_eq!(end.status, None, "no head was made");
}

#[tokio::test(start_paused = true)]
async fn dropped_before_the_head_it_is_cancelled() {
    let ends = Ends::default();
    let watch = ends.watch();
    advance(Duration::from_secs(1)).await;
    drop(watch);
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Cancelled);
    assert_eq!(end.duration, Duration::from_secs(1));
}

#[test]
fn dropped_by_a_panic_it_is_internal() {
    let ends = Ends::default();
    let watch = ends.watch();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _watch = watch;
        panic!("in the handler");
    }));
    assert!(panicked.is_err());
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::Internal));
    assert_eq!(end.error.as_deref(), Some("the handler panicked"));
}

// ===== with a body =====

#[test]
fn a_reply_without_a_body_ends_at_once() {
    let ends = Ends::default();
    let body = Watched::new(Empty::<Bytes>::new(), ends.watch());
    assert_eq!(ends.one().outcome, Outcome::Replied);
    assert!(body.is_end_stream());
    drop(body);
    assert_eq!(ends.one().sent, 0);
}

#[test]
fn bytes_count_when_they_are_taken() {
    let ends = Ends::default();
    let mut body = Watched::new(frames([Ok(data("Hello, ")), Ok(data("Ada!"))]), ends.watch());
    assert!(take(&mut body).is_some());
    assert!(ends.none());
    assert!(take(&mut body).is_some());
    assert!(ends.none(), "it may have trailers");
    assert!(take(&mut body).is_none());
    assert!(take(&mut body).is_none());
    let end = ends.one();
    assert_eq!((end.outcome, end.sent), (Outcome::Replied, 11));
    drop(body);
    ends.one();
}

#[test]
fn a_body_that_knows_its_end_is_not_asked_again() {
    let ends = Ends::default();
    let mut body = Watched::new(Full::new(Bytes::from_static(b"all")), ends.watch());
    assert_eq!(body.size_hint().exact(), Some(3));
    assert!(ends.none());
    assert!(take(&mut body).is_some());
    assert_eq!(ends.one().outcome, Outcome::Replied);
    drop(body);
    assert_eq!(ends.one().sent, 3);
}

#[test]
fn dropped_halfway_it_is_cancelled_with_what_was_sent() {
    let ends = Ends::default();
    let mut watch = ends.watch();
    watch.after(StatusCode::OK, &mut HeaderMap::new());
    let mut body = Watched::new(frames([Ok(data("half")), Ok(data("rest"))]), watch);
    assert!(take(&mut body).is_some());
    drop(body);
    let end = ends.one();
    assert_eq!((end.outcome, end.sent), (Outcome::Cancelled, 4));
    assert_eq!(end.status, Some(StatusCode::OK));
}

#[test]
fn an_error_of_the_body_is_internal() {
    let ends = Ends::default();
    let mut body = Watched::new(frames([Ok(data("half")), Err("torn")]), ends.watch());
    assert!(take(&mut body).is_some());
    assert!(take(&mut body).is_some_and(|frame| frame.is_err()));
    let end = ends.one();
    assert_eq!((end.outcome, end.sent), (Outcome::Failed(Kind::Internal), 4));
    assert_eq!(end.error.as_deref(), Some("torn"));
    drop(body);
    ends.one();
}

#[test]
fn a_panic_of_the_body_is_internal() {
    struct Buggy;

    impl Body for Buggy {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Option<Result>> {
            panic!("in the body");
        }
    }

    let ends = Ends::default();
    let mut body = Watched::new(Buggy, ends.watch());
    let panicked = catch_unwind(AssertUnwindSafe(move || drop(take(&mut body))));
    assert!(panicked.is_err());
    assert_eq!(ends.one().outcome, Outcome::Failed(Kind::Internal));
}

#[test]
fn the_status_in_the_trailers_is_the_outcome() {
    for (status, outcome) in [
        ("0", Outcome::Replied),
        ("5", Outcome::Failed(Kind::NotFound)),
        ("13", Outcome::Failed(Kind::Internal)),
        ("17", Outcome::Failed(Kind::Unknown)),
        ("wrong", Outcome::Failed(Kind::Unknown)),
    ] {
        let ends = Ends::default();
        let body = frames([Ok(data("message")), Ok(trailers(status))]);
        let mut body = Watched::new(body, ends.watch());
        assert!(take(&mut body).is_some());
        assert!(ends.none());
        assert!(take(&mut body).is_some_and(|frame| frame.unwrap().is_trailers()));
        let end = ends.one();
        assert_eq!((end.outcome, end.sent), (outcome, 7), "{status}");
        drop(body);
        ends.one();
    }
}

#[test]
fn trailers_without_a_status_are_a_good_end() {
    let ends = Ends::default();
    let mut body = Watched::new(frames([Ok(Frame::trailers(HeaderMap::new()))]), ends.watch());
    assert!(take(&mut body).is_some());
    assert_eq!(ends.one().outcome, Outcome::Replied);
}

#[test]
fn what_is_known_better_than_by_the_trailers_stays() {
    let ends = Ends::default();
    let mut watch = ends.watch();
    watch.failed_with(Kind::PayloadTooLarge, Some("too large".into()));
    let mut body = Watched::new(frames([Ok(trailers("8"))]), watch);
    assert!(take(&mut body).is_some());
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::PayloadTooLarge));
    assert_eq!(end.error.as_deref(), Some("too large"));
}

// ===== silence =====

#[test]
fn nothing_is_measured_for_who_is_silent() {
    struct Silent(Arc<Mutex<u32>>);

    impl Observer for Silent {
        const SILENT: bool = true;

        fn after(&mut self, _: &mut HeaderMap) {
            *self.0.lock().unwrap() += 1;
        }

        fn finish(self, _: &End) {
            *self.0.lock().unwrap() += 1;
        }
    }

    let told = Arc::default();
    let mut watch = Watch::new(Silent(Arc::clone(&told)));
    watch.after(StatusCode::OK, &mut HeaderMap::new());
    let mut body = Watched::new(frames([Ok(data("half")), Ok(trailers("13"))]), watch);
    while take(&mut body).is_some() {}
    drop(body);
    assert_eq!(*told.lock().unwrap(), 0);
}

#[test]
fn can_be_sent_and_shared() {
    fn assert_send_sync<T: Send + Sync + fmt::Debug>(_: &T) {}
    assert_send_sync(&Ends::default().watch());
    assert_send_sync(&Watched::new(Empty::<Bytes>::new(), Ends::default().watch()));
}

fn bad_timeout() -> impl Fault {
    let mut headers = HeaderMap::new();
    headers.insert(REQUEST_TIMEOUT_MS, "soon".parse().unwrap());
    timeout(&headers, &REQUEST_TIMEOUT_MS).unwrap_err()
}

/// Notes what it hears, in its order.
#[derive(Debug, Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Observer for Notes {
    fn fault(&mut self, fault: &dyn Fault, phase: Phase) {
        self.0.lock().unwrap().push(format!("{phase} {} {fault}", fault.kind()));
    }

    fn finish(self, end: &End) {
        self.0.lock().unwrap().push(format!("{} {:?}", end.outcome, end.error));
    }
}

#[tokio::test]
async fn a_fault_is_heard_with_its_step_before_the_end() {
    let notes = Notes::default();
    let mut watch = Watch::new(notes.clone());
    watch.failed_at(Phase::Endpoint, &bad_timeout());
    watch.finish();
    watch.failed_at(Phase::Send, &bad_timeout());
    let said = "x-request-timeout-ms must be a number of milliseconds of 1 to 8 digits";
    let expected =
        [format!("endpoint INVALID_ARGUMENT {said}"), format!("INVALID_ARGUMENT {:?}", Some(said))];
    assert_eq!(*notes.0.lock().unwrap(), expected);
}

#[tokio::test]
async fn a_reply_that_breaks_off_failed_to_be_sent() {
    let notes = Notes::default();
    let body = frames([Ok(data("half")), Err("no\nmore")]);
    let mut body = Watched::new(body, Watch::new(notes.clone()));
    while let Some(Ok(_)) = http_body_util::BodyExt::frame(&mut body).await {}
    drop(body);
    let notes = notes.0.lock().unwrap();
    assert_eq!(*notes, ["send INTERNAL no\nmore", "INTERNAL Some(\"no more\")"]);
}

#[test]
fn a_panic_during_a_step_ends_the_watch_before_it_is_dropped() {
    let ends = Ends::default();
    let mut watch = ends.watch();
    assert_eq!(watch.during(|| 1), 1);
    assert!(ends.none());
    catch_unwind(AssertUnwindSafe(|| watch.during(|| panic!("on purpose")))).unwrap_err();
    let end = ends.one();
    assert_eq!(end.outcome, Outcome::Failed(Kind::Internal));
    assert_eq!(end.error.as_deref(), Some("the handler panicked"));
    drop(watch);
    ends.one();
}
