//! A guard hears the end of what it watches, once.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a test may panic")]

use bytes::Bytes;
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Empty, Full, StreamBody};
use kit_endpoint::{Guard, Guarded};
use std::{
    pin::Pin,
    sync::{Arc, Mutex},
    task::{Context, Poll},
};
use tokio::sync::mpsc;
use tokio_stream::wrappers::UnboundedReceiverStream;
use tokio_test::{assert_pending, assert_ready, task};

/// What a guard heard, and whether it is gone.
#[derive(Debug, Clone, Default)]
struct Heard(Arc<Mutex<Vec<String>>>);

impl Heard {
    fn all(&self) -> Vec<String> {
        self.0.lock().unwrap().clone()
    }

    fn say(&self, what: impl Into<String>) {
        self.0.lock().unwrap().push(what.into());
    }

    fn guard(&self) -> Ear {
        Ear(self.clone())
    }
}

#[derive(Debug)]
struct Ear(Heard);

impl<E: ToString> Guard<E> for Ear {
    fn end(self, end: Result<Option<&HeaderMap>, &E>) {
        self.0.say(match end {
            Ok(Some(trailers)) => format!("trailers {trailers:?}"),
            Ok(None) => "end".to_owned(),
            Err(error) => format!("error {}", error.to_string()),
        });
    }
}

impl Drop for Ear {
    fn drop(&mut self) {
        self.0.say("gone");
    }
}

type Frames = mpsc::UnboundedSender<Result<Frame<Bytes>, &'static str>>;

fn data(text: &'static str) -> Frame<Bytes> {
    Frame::data(Bytes::from_static(text.as_bytes()))
}

/// A body that does not know its end before it is there.
fn body(heard: &Heard) -> (Frames, impl Body<Data = Bytes, Error = &'static str> + Unpin + use<>) {
    let (send, frames) = mpsc::unbounded_channel();
    let body = StreamBody::new(UnboundedReceiverStream::new(frames));
    (send, Guarded::new(body, heard.guard()))
}

fn poll_frame<B: Body + Unpin>(body: &mut B) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
    Pin::new(body).poll_frame(&mut Context::from_waker(std::task::Waker::noop()))
}

// ===== streams =====

#[test]
fn a_stream_tells_its_end_once() {
    let heard = Heard::default();
    let (send, items) = mpsc::unbounded_channel::<Result<u8, &str>>();
    let mut stream = task::spawn(Guarded::new(UnboundedReceiverStream::new(items), heard.guard()));
    assert_pending!(stream.poll_next());
    send.send(Ok(1)).unwrap();
    assert_eq!(assert_ready!(stream.poll_next()), Some(Ok(1)));
    assert!(heard.all().is_empty(), "an item is not the end");
    assert!(stream.guard().is_some());

    drop(send);
    assert_eq!(assert_ready!(stream.poll_next()), None);
    assert_eq!(heard.all(), ["end", "gone"]);
    assert!(stream.guard().is_none());
    assert_eq!(assert_ready!(stream.poll_next()), None);
    drop(stream);
    assert_eq!(heard.all(), ["end", "gone"]);
}

#[test]
fn a_stream_ends_with_its_first_error() {
    let heard = Heard::default();
    let items = tokio_stream::iter([Ok(1), Err("torn"), Err("again"), Ok(2)]);
    let mut stream = task::spawn(Guarded::new(items, heard.guard()));
    assert_eq!(assert_ready!(stream.poll_next()), Some(Ok(1)));
    assert_eq!(assert_ready!(stream.poll_next()), Some(Err("torn")));
    assert_eq!(heard.all(), ["error torn", "gone"]);
    assert_eq!(assert_ready!(stream.poll_next()), Some(Err("again")), "what follows passes");
    assert_eq!(assert_ready!(stream.poll_next()), Some(Ok(2)));
    assert_eq!(assert_ready!(stream.poll_next()), None);
    assert_eq!(heard.all(), ["error torn", "gone"]);
}

#[test]
fn a_dropped_stream_drops_its_guard_untold() {
    let heard = Heard::default();
    let items = tokio_stream::iter([Ok::<_, &str>(1), Ok(2)]);
    let mut stream = task::spawn(Guarded::new(items, heard.guard()));
    assert_eq!(assert_ready!(stream.poll_next()), Some(Ok(1)));
    drop(stream);
    assert_eq!(heard.all(), ["gone"]);
}

#[test]
fn an_unguarded_stream_only_passes_on() {
    let items = tokio_stream::iter([Ok::<_, &str>(1)]);
    let mut stream = task::spawn(Guarded::<_, Ear>::unguarded(items));
    assert_eq!(assert_ready!(stream.poll_next()), Some(Ok(1)));
    assert_eq!(assert_ready!(stream.poll_next()), None);
}

// ===== bodies =====

#[test]
fn a_body_ends_when_it_says_so_after_a_frame() {
    let heard = Heard::default();
    let mut body = Guarded::new(Full::new(Bytes::from_static(b"all")), heard.guard());
    assert!(!body.is_end_stream());
    assert_eq!(body.size_hint().exact(), Some(3));
    assert!(heard.all().is_empty());
    let Ok(frame) = assert_ready!(poll_frame(&mut body)).expect("a frame");
    assert_eq!(frame.into_data().expect("data"), "all");
    assert!(body.is_end_stream());
    assert_eq!(heard.all(), ["end", "gone"], "hyper does not ask again");
    assert!(assert_ready!(poll_frame(&mut body)).is_none());
    drop(body);
    assert_eq!(heard.all(), ["end", "gone"]);
}

#[test]
fn a_body_ends_with_its_trailers() {
    let heard = Heard::default();
    let (send, mut body) = body(&heard);
    assert!(poll_frame(&mut body).is_pending());
    send.send(Ok(data("half"))).unwrap();
    assert!(assert_ready!(poll_frame(&mut body)).is_some());
    assert!(heard.all().is_empty());

    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", 13.into());
    let told = format!("trailers {trailers:?}");
    send.send(Ok(Frame::trailers(trailers))).unwrap();
    let frame = assert_ready!(poll_frame(&mut body)).expect("trailers").unwrap();
    assert_eq!(frame.trailers_ref().expect("trailers")["grpc-status"], "13");
    assert_eq!(heard.all(), [told.as_str(), "gone"]);
    drop((send, body));
    assert_eq!(heard.all(), [told.as_str(), "gone"]);
}

#[test]
fn a_body_ends_when_nothing_follows() {
    let heard = Heard::default();
    let (send, mut body) = body(&heard);
    send.send(Ok(data("all"))).unwrap();
    assert!(assert_ready!(poll_frame(&mut body)).is_some());
    assert!(heard.all().is_empty());
    drop(send);
    assert!(assert_ready!(poll_frame(&mut body)).is_none());
    assert!(assert_ready!(poll_frame(&mut body)).is_none());
    assert_eq!(heard.all(), ["end", "gone"]);
}

#[test]
fn a_body_ends_with_its_error() {
    let heard = Heard::default();
    let (send, mut body) = body(&heard);
    send.send(Err("torn")).unwrap();
    assert!(assert_ready!(poll_frame(&mut body)).is_some_and(|frame| frame.is_err()));
    assert_eq!(heard.all(), ["error torn", "gone"]);
    drop(body);
    assert_eq!(heard.all(), ["error torn", "gone"]);
}

#[test]
fn a_dropped_body_drops_its_guard_untold() {
    let heard = Heard::default();
    let (send, mut body) = body(&heard);
    send.send(Ok(data("half"))).unwrap();
    assert!(assert_ready!(poll_frame(&mut body)).is_some());
    drop(body);
    assert_eq!(heard.all(), ["gone"]);
}

#[test]
fn an_unguarded_body_only_passes_on() {
    let mut body = Guarded::<_, Ear>::unguarded(Full::new(Bytes::from_static(b"all")));
    assert!(assert_ready!(poll_frame(&mut body)).is_some());
    let empty = Guarded::<_, Ear>::unguarded(Empty::<Bytes>::new());
    assert!(empty.is_end_stream());
    assert_eq!(empty.size_hint().exact(), Some(0));
    let collected = task::spawn(empty.collect()).poll();
    assert!(assert_ready!(collected).is_ok());
}

#[test]
fn hints_are_those_of_what_is_watched() {
    struct Hinted;

    impl Body for Hinted {
        type Data = Bytes;
        type Error = &'static str;

        fn poll_frame(
            self: Pin<&mut Self>,
            _: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, &'static str>>> {
            Poll::Ready(None)
        }

        fn size_hint(&self) -> SizeHint {
            SizeHint::with_exact(42)
        }
    }

    let heard = Heard::default();
    assert_eq!(Guarded::new(Hinted, heard.guard()).size_hint().exact(), Some(42));
    let items = tokio_stream::iter([Ok::<u8, &str>(1), Ok(2)]);
    let stream = Guarded::new(items, heard.guard());
    assert_eq!(tokio_stream::Stream::size_hint(&stream), (2, Some(2)));
}
