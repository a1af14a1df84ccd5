use crate::{End, Observer, Outcome, Phase, Report};
use http::{HeaderMap, StatusCode};
use http_body::{Body, Frame, SizeHint};
use kit_endpoint::{Fault, Kind};
use pin_project_lite::pin_project;
use std::{
    error, fmt,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};
use tokio::time::Instant;

/// Keeps the promise of an [`Observer`]: `finish` is called once, with the
/// truth, whatever becomes of the request.
///
/// A server holds it from the head of the request on, and lets it go with
/// the body of the reply ([`Watched`]); a client holds it until the caller has
/// its reply. Dropped before the end it is
/// [`Cancelled`](Outcome::Cancelled), or, if a panic drops it, a failure of
/// kind [`Internal`](Kind::Internal); so is a panic [`during`](Self::during) a
/// step.
pub struct Watch<O: Observer> {
    observer: Option<O>,
    started: Option<Instant>,
    // An `End`, but for what is known at the end: it is moved as often as the reply is.
    outcome: Outcome,
    status: Option<StatusCode>,
    received: u64,
    sent: u64,
    error: Option<Box<str>>,
    /// Whether the reply goes out without its body, so that nobody polls it.
    bodiless: bool,
}

/// Ends the watch if the step it is held over panics.
struct Step<'a, O: Observer> {
    watch: &'a mut Watch<O>,
    done: bool,
}

// ===== impl Watch =====

impl<O: Observer> Watch<O> {
    /// Starts to watch a request.
    pub fn new(observer: O) -> Self {
        let started = if O::SILENT { None } else { Some(Instant::now()) };
        Self {
            observer: Some(observer),
            started,
            outcome: Outcome::Replied,
            status: None,
            received: 0,
            sent: 0,
            error: None,
            bodiless: false,
        }
    }

    /// Says how many bytes of the other side's body came so far.
    pub const fn received(&mut self, bytes: u64) {
        self.received = bytes;
    }

    /// Says how many bytes of this side's body went out so far. [`Watched`]
    /// counts by itself.
    pub const fn sent(&mut self, bytes: u64) {
        self.sent = bytes;
    }

    /// Says that the reply goes out without its body, whatever it has: the
    /// request was a HEAD. (A status that has none says so itself.) The request
    /// is then over with the head of its reply.
    pub const fn bodiless(&mut self) {
        self.bodiless = true;
    }

    /// Says that the request failed, and at which step: the observer hears the
    /// fault, and the reply, if there is one, says so. To be called before the
    /// fault is encoded.
    pub fn failed_at(&mut self, phase: Phase, fault: &dyn Fault) {
        if let Some(observer) = &mut self.observer
            && !O::SILENT
        {
            observer.fault(fault, phase);
            self.failed(fault);
        }
    }

    /// Says that the request failed, where the observer heard the fault
    /// already, or there is none to hear.
    pub fn failed(&mut self, fault: &dyn Fault) {
        if !O::SILENT {
            self.failed_with(fault.kind(), Some(Report(fault).to_string().into()));
        }
    }

    /// Says that the request failed, in words already found.
    pub fn failed_with(&mut self, kind: Kind, error: Option<Box<str>>) {
        if !O::SILENT {
            self.outcome = Outcome::Failed(kind);
            self.error = error;
        }
    }

    /// Says whether the reply goes out without its body: because of the request or, which
    /// is known [`after`](Self::after) its head, because of its status.
    #[must_use]
    pub const fn is_bodiless(&self) -> bool {
        self.bodiless
    }

    /// Runs a step of the request: a poll of the handler, or a codec. If it
    /// panics the request has ended at once, as a failure of kind
    /// [`Internal`](Kind::Internal). Who catches the panic further out drops
    /// this watch later, when nobody can tell a panic from a caller that left.
    #[inline]
    pub fn during<T>(&mut self, step: impl FnOnce() -> T) -> T {
        let mut guard = Step { watch: self, done: false };
        let value = step();
        guard.done = true;
        value
    }

    fn panicked(&mut self) {
        self.failed_with(Kind::Internal, Some("the handler panicked".into()));
        self.finish();
    }

    /// Shows the observer the head of the reply.
    pub fn after(&mut self, status: StatusCode, headers: &mut HeaderMap) {
        self.bodiless |= matches!(status, StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        if let Some(observer) = &mut self.observer
            && !O::SILENT
        {
            self.status = Some(status);
            observer.after(headers);
        }
    }

    /// Ends the request as it stands.
    pub fn finish(&mut self) {
        let Some(observer) = self.observer.take() else { return };
        if O::SILENT {
            return;
        }
        observer.finish(&End {
            outcome: self.outcome,
            status: self.status,
            received: self.received,
            sent: self.sent,
            duration: self.started.map_or(Duration::ZERO, |started| started.elapsed()),
            error: self.error.take(),
        });
    }
}

impl<O: Observer> Drop for Watch<O> {
    fn drop(&mut self) {
        if O::SILENT || self.observer.is_none() {
            return;
        }
        if std::thread::panicking() {
            self.panicked();
        } else {
            self.outcome = Outcome::Cancelled;
            self.finish();
        }
    }
}

impl<O: Observer + fmt::Debug> fmt::Debug for Watch<O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watch")
            .field("observer", &self.observer)
            .field("outcome", &self.outcome)
            .field("status", &self.status)
            .field("received", &self.received)
            .field("sent", &self.sent)
            .field("error", &self.error)
            .finish_non_exhaustive()
    }
}

// ===== impl Step =====

impl<O: Observer> Drop for Step<'_, O> {
    #[inline]
    fn drop(&mut self) {
        if !O::SILENT && !self.done {
            self.watch.panicked();
        }
    }
}

pin_project! {
    /// The body of a reply, which ends the request when it ends.
    ///
    /// Bytes count when the connection takes them. The request is over when
    /// the last frame is taken, trailers included; when the body says that it
    /// is at its end after a frame, since hyper does not ask again; or at once,
    /// if there is no body or it is not sent. A `grpc-status` in the trailers is the outcome.
    pub struct Watched<B, O>
    where
        O: Observer,
    {
        #[pin]
        body: B,
        watch: Watch<O>,
    }
}

// ===== impl Watched =====

impl<B: Body, O: Observer> Watched<B, O> {
    /// Lets `watch` go with `body`.
    pub fn new(body: B, mut watch: Watch<O>) -> Self {
        if !O::SILENT && (watch.bodiless || body.is_end_stream()) {
            watch.finish();
        }
        Self { body, watch }
    }
}

impl<B, O> Body for Watched<B, O>
where
    B: Body<Error: fmt::Display>,
    O: Observer,
{
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let mut this = self.project();
        let frame = ready!(this.watch.during(|| this.body.as_mut().poll_frame(cx)));
        if O::SILENT {
            return Poll::Ready(frame);
        }
        let watch = this.watch;
        let over = match &frame {
            Some(Ok(frame)) => {
                if let Some(data) = frame.data_ref() {
                    watch.sent += bytes::Buf::remaining(data) as u64;
                }
                if let Some(trailers) = frame.trailers_ref() {
                    judge(watch, trailers);
                }
                frame.is_trailers() || this.body.is_end_stream()
            }
            Some(Err(error)) => {
                watch.failed_at(Phase::Send, &BrokeOff(error.to_string()));
                true
            }
            None => true,
        };
        if over {
            watch.finish();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl<B: fmt::Debug, O: Observer> fmt::Debug for Watched<B, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Watched").field("body", &self.body).finish_non_exhaustive()
    }
}

/// The body of a reply ended in an error, which says this.
#[derive(Debug)]
struct BrokeOff(String);

impl fmt::Display for BrokeOff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl error::Error for BrokeOff {}

impl Fault for BrokeOff {
    fn kind(&self) -> Kind {
        Kind::Internal
    }
}

/// Reads the outcome that gRPC's trailers tell, unless it is known better.
fn judge<O: Observer>(watch: &mut Watch<O>, trailers: &HeaderMap) {
    if let Some(Err(kind)) = Kind::from_grpc_status(trailers)
        && watch.outcome == Outcome::Replied
    {
        watch.failed_with(kind, None);
    }
}
