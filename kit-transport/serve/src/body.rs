//! The body of a request, within its limits.
//!
//! Most have no watch of their own: one that is empty, or over HTTP/1 says its
//! length, is bounded by that, and its pace is the connection's.

use crate::{
    Refusal,
    conn::{Call, Conn},
    pace::{Pace, Rate},
    phase::Waiting,
    shared::Shared,
    wire::Protocol,
};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header, request::Parts};
use http_body::{Body, Frame, SizeHint};
use kit_endpoint::BodyCut;
use pin_project_lite::pin_project;
use std::{
    error::Error,
    fmt,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};
use tokio::time::{Instant, Sleep, sleep_until};

/// The body of a request, as the service gets it: hyper's, within the limits of
/// the [`Server`](crate::Server).
///
/// A service that takes any body (`Service<Request<B>>`, as an `axum::Router`
/// and tonic's `Routes` do) needs not know it.
///
/// # Errors
///
/// A [`BodyError`], after which the body is at its end.
pub struct Incoming(Kind);

enum Kind {
    /// What bounds it lies elsewhere: its own length, or the connection.
    Plain(hyper::body::Incoming),
    Watched(Pin<Box<Watched>>),
}

/// Why there is no more of a body.
#[derive(Debug)]
#[non_exhaustive]
pub enum BodyError {
    /// It is larger than the [limit](crate::Server::max_body). Whatever the
    /// service answers then, its peer is told 413, unless the reply has begun.
    TooLarge,
    /// It comes slower than it [may](crate::Server::body_rate), over HTTP/2.
    /// Over HTTP/1 the connection is at its end then, which is hyper's error.
    TooSlow,
    /// The connection broke, or the peer said something that is no HTTP.
    Hyper(hyper::Error),
}

pin_project! {
    /// A body that says no length, or comes over a connection with others.
    struct Watched {
        // Gone with an error, so that what lies there leaves the peer room.
        #[pin]
        body: Option<hyper::body::Incoming>,
        #[pin]
        timer: Sleep,
        came: u64,
        most: u64,
        rate: Option<Rate>,
        pace: Pace,
        call: u64,
        conn: Arc<Conn>,
        shared: Arc<Shared>,
    }
}

/// What a body may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct BodyLimits {
    pub(crate) most: u64,
    pub(crate) rate: Rate,
}

// ===== impl BodyLimits =====

impl BodyLimits {
    /// Puts the body of a call within its limits.
    #[inline]
    pub(crate) fn watch(
        self,
        head: &Parts,
        body: hyper::body::Incoming,
        call: &Call,
        shared: &Arc<Shared>,
    ) -> Incoming {
        Incoming(if body.is_end_stream() || !self.is_watched(head, &body, call.conn()) {
            Kind::Plain(body)
        } else {
            self.watched(body, call, shared)
        })
    }

    fn is_watched(self, head: &Parts, body: &hyper::body::Incoming, conn: &Conn) -> bool {
        if conn.protocol() != Protocol::Http2 {
            return body.size_hint().exact().is_none() && self.most < u64::MAX;
        }
        // A tunnel has no end and no pace, and a stream of gRPC may be silent:
        // its messages have limits of their own.
        head.method != Method::CONNECT && !is_grpc(&head.headers)
    }

    fn watched(self, body: hyper::body::Incoming, call: &Call, shared: &Arc<Shared>) -> Kind {
        let conn = Arc::clone(call.conn());
        Kind::Watched(Box::pin(Watched {
            body: Some(body),
            timer: sleep_until(Instant::now()),
            came: 0,
            most: self.most,
            // Over HTTP/1 its connection has it.
            rate: (conn.protocol() == Protocol::Http2).then_some(self.rate),
            pace: Pace::new(self.rate),
            call: call.number(),
            conn,
            shared: Arc::clone(shared),
        }))
    }
}

fn is_grpc(headers: &HeaderMap) -> bool {
    const GRPC: &[u8] = b"application/grpc";
    let kind = headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
    // gRPC's own types, and no gRPC-Web, which is of one message.
    kind.and_then(|kind| kind.split_at_checked(GRPC.len())).is_some_and(|(start, rest)| {
        start.eq_ignore_ascii_case(GRPC) && matches!(rest, [] | [b'+' | b';', ..])
    })
}

// ===== impl Incoming =====

impl Body for Incoming {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        match &mut self.0 {
            Kind::Plain(body) => Pin::new(body).poll_frame(cx).map_err(BodyError::Hyper),
            Kind::Watched(body) => body.as_mut().poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.0 {
            Kind::Plain(body) => body.is_end_stream(),
            Kind::Watched(body) => body.body.as_ref().is_none_or(Body::is_end_stream),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Kind::Plain(body) => body.size_hint(),
            Kind::Watched(body) => {
                body.body.as_ref().map_or_else(|| SizeHint::with_exact(0), Body::size_hint)
            }
        }
    }
}

impl fmt::Debug for Incoming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Incoming").field("size", &self.size_hint()).finish_non_exhaustive()
    }
}

// ===== impl Watched =====

impl Watched {
    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let mut this = self.project();
        let Some(body) = this.body.as_mut().as_pin_mut() else { return Poll::Ready(None) };
        let error = match body.poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                let length = frame.data_ref().map_or(0, Bytes::len) as u64;
                *this.came = this.came.saturating_add(length);
                if *this.came <= *this.most {
                    if let Some(rate) = *this.rate
                        && this.pace.is_waiting()
                    {
                        this.pace.look(rate, false, *this.came, Instant::now());
                    }
                    return Poll::Ready(Some(Ok(frame)));
                }
                // It is said in the place of the reply.
                this.conn.exceed(*this.call);
                this.shared.refused(this.conn.peer, Refusal::BodyTooLarge);
                BodyError::TooLarge
            }
            Poll::Ready(Some(Err(error))) => BodyError::Hyper(error),
            Poll::Ready(None) => {
                this.body.set(None);
                return Poll::Ready(None);
            }
            Poll::Pending => {
                let Some(rate) = *this.rate else { return Poll::Pending };
                let until = this.pace.look(rate, true, *this.came, Instant::now());
                let Some(until) = until else { return Poll::Pending };
                if this.timer.deadline() != until {
                    this.timer.as_mut().reset(until);
                }
                if this.timer.as_mut().poll(cx).is_pending() {
                    return Poll::Pending;
                }
                this.conn.stats.timeouts(Waiting::Body).add(1);
                BodyError::TooSlow
            }
        };
        this.body.set(None);
        Poll::Ready(Some(Err(error)))
    }
}

// ===== impl BodyError =====

impl fmt::Display for BodyError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::TooLarge => Refusal::BodyTooLarge.fmt(f),
            Self::TooSlow => f.write_str("the body comes too slowly"),
            Self::Hyper(error) => error.fmt(f),
        }
    }
}

impl Error for BodyError {
    fn source(&self) -> Option<&(dyn Error + 'static)> {
        match self {
            Self::Hyper(error) => error.source(),
            Self::TooLarge => Some(&BodyCut::TooLarge),
            Self::TooSlow => Some(&BodyCut::TooSlow),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_limit_cut_off_is_known_by_a_source() {
        let cut = |error: &BodyError| error.source().and_then(|it| it.downcast_ref().copied());
        assert_eq!(cut(&BodyError::TooLarge), Some(BodyCut::TooLarge));
        assert_eq!(cut(&BodyError::TooSlow), Some(BodyCut::TooSlow));
    }

    #[test]
    fn grpc_is_known_by_its_own_types_in_any_case_and_no_other() {
        let is = |kind: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
            is_grpc(&headers)
        };
        for kind in ["application/grpc", "Application/gRPC+proto", "application/grpc;x=y"] {
            assert!(is(kind), "{kind}");
        }
        for kind in ["application/grpc-web", "application/grpcx", "application/grp", "text/plain"] {
            assert!(!is(kind), "{kind}");
        }
        assert!(!is_grpc(&HeaderMap::new()));
    }

    #[test]
    fn a_request_is_moved_about_as_hypers_is() {
        assert_eq!(size_of::<Incoming>(), size_of::<hyper::body::Incoming>());
    }
}
