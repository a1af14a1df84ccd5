//! How long a call lasts, and who hears its end.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::{HeaderMap, Response};
use http_body::{Body, Frame};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use kit_endpoint::{
    AnyError, GrpcStatus, Judgement, Settle, Until, UntilBodyEnd, UntilReply, UntilStreamEnd,
};
use std::{
    cell::RefCell,
    rc::Rc,
    task::{Context, Poll},
};
use tokio_test::{assert_ready, task};

/// What became of a permit.
#[derive(Debug, Clone, Default)]
struct Log(Rc<RefCell<Vec<&'static str>>>);

impl Log {
    fn all(&self) -> Vec<&'static str> {
        self.0.borrow().clone()
    }

    fn permit(&self) -> Permit {
        Permit(self.clone())
    }
}

#[derive(Debug)]
struct Permit(Log);

impl Settle for Permit {
    fn settle(self, judgement: Judgement) {
        self.0.0.borrow_mut().push(if judgement.is_failure() { "failed" } else { "succeeded" });
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.0.0.borrow_mut().push("gone");
    }
}

/// Takes all frames, as a connection does.
fn drain<B: Body<Error: std::fmt::Debug> + Unpin>(body: &mut B) {
    let mut cx = Context::from_waker(std::task::Waker::noop());
    while let Poll::Ready(Some(Ok(_))) = std::pin::Pin::new(&mut *body).poll_frame(&mut cx) {
        if body.is_end_stream() {
            return;
        }
    }
}

fn frames(
    frames: Vec<Result<Frame<Bytes>, &'static str>>,
) -> Response<impl Body<Data = Bytes, Error = &'static str> + Unpin> {
    Response::new(StreamBody::new(tokio_stream::iter(frames)))
}

fn grpc_status(code: u16) -> Frame<Bytes> {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", code.into());
    Frame::trailers(trailers)
}

#[test]
fn until_reply_is_over_when_the_reply_is_there() {
    let log = Log::default();
    assert_eq!(UntilReply.reply("reply", log.permit(), AnyError), "reply");
    assert_eq!(log.all(), ["succeeded", "gone"]);
    assert_eq!(Until::<_, Permit, AnyError>::over(&UntilReply, "reply"), "reply");
}

#[test]
fn until_stream_end_waits_for_the_end() {
    let log = Log::default();
    let items = tokio_stream::iter([Ok::<_, &str>(1)]);
    let mut stream = task::spawn(UntilStreamEnd.reply(items, log.permit(), AnyError));
    assert_eq!(assert_ready!(stream.poll_next()), Some(Ok(1)));
    assert!(log.all().is_empty());
    assert_eq!(assert_ready!(stream.poll_next()), None);
    assert_eq!(log.all(), ["succeeded", "gone"]);
}

#[test]
fn until_stream_end_hears_an_error() {
    let log = Log::default();
    let items = tokio_stream::iter([Err::<u8, _>("torn")]);
    let mut stream = task::spawn(UntilStreamEnd.reply(items, log.permit(), AnyError));
    assert_eq!(assert_ready!(stream.poll_next()), Some(Err("torn")));
    assert_eq!(log.all(), ["failed", "gone"]);
}

#[test]
fn a_dropped_stream_was_neither_success_nor_failure() {
    let log = Log::default();
    let items = tokio_stream::iter([Ok::<_, &str>(1)]);
    drop(UntilStreamEnd.reply(items, log.permit(), AnyError));
    assert_eq!(log.all(), ["gone"]);
}

#[test]
fn a_stream_that_began_badly_passes_on() {
    let items = tokio_stream::iter([Ok::<_, &str>(1)]);
    let mut stream = task::spawn(Until::<_, Permit, AnyError>::over(&UntilStreamEnd, items));
    assert_eq!(assert_ready!(stream.poll_next()), Some(Ok(1)));
    assert_eq!(assert_ready!(stream.poll_next()), None);
}

#[test]
fn until_body_end_is_over_at_once_without_a_body() {
    let log = Log::default();
    let reply = Response::new(Empty::<Bytes>::new());
    let reply = UntilBodyEnd.reply(reply, log.permit(), AnyError);
    assert_eq!(log.all(), ["succeeded", "gone"], "nobody polls such a body");
    assert!(reply.body().is_end_stream());
}

#[test]
fn until_body_end_waits_for_the_last_frame() {
    let log = Log::default();
    let reply = Response::builder().status(201).body(Full::new(Bytes::from_static(b"all")));
    let mut reply = UntilBodyEnd.reply(reply.unwrap(), log.permit(), AnyError);
    assert_eq!(reply.status(), 201);
    assert!(log.all().is_empty());
    drain(reply.body_mut());
    assert_eq!(log.all(), ["succeeded", "gone"]);
}

#[test]
fn until_body_end_judges_the_trailers() {
    for (code, expected) in [(0, "succeeded"), (5, "succeeded"), (13, "failed"), (14, "failed")] {
        let log = Log::default();
        let message = Frame::data(Bytes::from_static(b"message"));
        let reply = frames(vec![Ok(message), Ok(grpc_status(code))]);
        let mut reply = UntilBodyEnd.reply(reply, log.permit(), GrpcStatus);
        drain(reply.body_mut());
        assert_eq!(log.all(), [expected, "gone"], "{code}");
    }
}

#[test]
fn until_body_end_hears_an_error() {
    let log = Log::default();
    let reply = frames(vec![Ok(Frame::data(Bytes::from_static(b"half"))), Err("torn")]);
    let mut reply = UntilBodyEnd.reply(reply, log.permit(), GrpcStatus);
    drain(reply.body_mut());
    assert_eq!(log.all(), ["failed", "gone"]);
}

#[test]
fn a_dropped_body_was_neither_success_nor_failure() {
    let log = Log::default();
    let reply = frames(vec![Ok(Frame::data(Bytes::from_static(b"half")))]);
    drop(UntilBodyEnd.reply(reply, log.permit(), GrpcStatus));
    assert_eq!(log.all(), ["gone"]);
}

#[test]
fn a_body_that_began_badly_passes_on() {
    let reply = Response::new(Full::new(Bytes::from_static(b"sorry")));
    let reply = Until::<_, Permit, AnyError>::over(&UntilBodyEnd, reply);
    let body = assert_ready!(task::spawn(reply.into_body().collect()).poll()).unwrap();
    assert_eq!(body.to_bytes(), "sorry");
}
