use super::{Unproxied, headers};
use bytes::{Buf, Bytes};
use http_body::{Body, Frame, SizeHint};
use kit_endpoint::{Expired, Kind};
use kit_transport::{Observer, Phase, Watch};
use pin_project_lite::pin_project;
use std::{
    error, fmt,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    task::{Context, Poll, ready},
};
use tokio::time::{Instant, Sleep, sleep_until};
use tower::BoxError;

/// What both directions know of the body of a request.
#[derive(Debug, Default)]
pub(super) struct Passed {
    bytes: AtomicU64,
    broke: AtomicBool,
}

pin_project! {
    /// The body of a request on its way to the upstream, as it comes.
    #[derive(Debug)]
    pub struct Forwarded<B> {
        #[pin]
        body: B,
        passed: Arc<Passed>,
    }
}

pin_project! {
    /// The body of a reply on its way back, as it comes; or what the proxy says
    /// itself.
    pub struct ProxyBody<B, O = ()>
    where
        O: Observer,
    {
        #[pin]
        source: Source<B>,
        sent: u64,
        passed: Option<Arc<Passed>>,
        deadline: Option<Instant>,
        // Made only once the body lets us wait; boxed, since few have a deadline.
        sleep: Option<Pin<Box<Sleep>>>,
        watch: Watch<O>,
    }

    impl<B, O> PinnedDrop for ProxyBody<B, O>
    where
        O: Observer,
    {
        fn drop(this: Pin<&mut Self>) {
            let this = this.project();
            if let Some(passed) = this.passed {
                this.watch.received(passed.bytes());
            }
        }
    }
}

pin_project! {
    #[project = SourceProj]
    enum Source<B> {
        Upstream { #[pin] body: B },
        Said { bytes: Bytes },
        /// The head goes out alone.
        Unsent,
    }
}

// ===== impl Passed =====

impl Passed {
    pub(super) fn bytes(&self) -> u64 {
        self.bytes.load(Ordering::Relaxed)
    }

    /// Says whether the caller's side broke off.
    pub(super) fn broke(&self) -> bool {
        self.broke.load(Ordering::Relaxed)
    }
}

// ===== impl Forwarded =====

impl<B> Forwarded<B> {
    pub(super) fn new(body: B) -> (Self, Arc<Passed>) {
        let passed = Arc::<Passed>::default();
        (Self { body, passed: Arc::clone(&passed) }, passed)
    }
}

impl<B: Body<Error: Into<BoxError>>> Body for Forwarded<B> {
    type Data = B::Data;
    type Error = Box<dyn error::Error + Send + Sync>;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        let this = self.project();
        let mut frame = ready!(this.body.poll_frame(cx));
        match &mut frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    headers::trailers(trailers);
                }
                let size = frame.data_ref().map_or(0, Buf::remaining);
                this.passed.bytes.fetch_add(size as u64, Ordering::Relaxed);
            }
            Some(Err(_)) => this.passed.broke.store(true, Ordering::Relaxed),
            None => {}
        }
        Poll::Ready(frame.map(|frame| frame.map_err(Into::into)))
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

// ===== impl ProxyBody =====

impl<B: Body, O: Observer> ProxyBody<B, O> {
    /// `bodiless` says that the body is not sent, whatever it has.
    pub(super) fn upstream(
        body: B,
        passed: Arc<Passed>,
        deadline: Option<Instant>,
        bodiless: bool,
        watch: Watch<O>,
    ) -> Self {
        let over = bodiless || body.is_end_stream();
        let source = if bodiless { Source::Unsent } else { Source::Upstream { body } };
        Self::new(source, Some(passed), deadline, over, watch)
    }

    pub(super) fn said(bytes: Bytes, watch: Watch<O>) -> Self {
        let over = bytes.is_empty();
        Self::new(Source::Said { bytes }, None, None, over, watch)
    }

    fn new(
        source: Source<B>,
        passed: Option<Arc<Passed>>,
        deadline: Option<Instant>,
        over: bool,
        mut watch: Watch<O>,
    ) -> Self {
        if let Some(passed) = &passed {
            watch.received(passed.bytes());
        }
        if over {
            watch.finish();
        }
        Self { source, sent: 0, passed, deadline, sleep: None, watch }
    }
}

impl<B, O> Body for ProxyBody<B, O>
where
    B: Body<Data = Bytes, Error: Into<BoxError>>,
    O: Observer,
{
    type Data = Bytes;
    type Error = Unproxied;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Unproxied>>> {
        let mut this = self.project();
        let mut frame = match this.source.as_mut().project() {
            SourceProj::Upstream { body } => match this.watch.during(|| body.poll_frame(cx)) {
                // A body that never waits must not outlive its deadline either.
                Poll::Ready(Some(Ok(_))) if is_late(*this.deadline) => {
                    Some(Err(Unproxied::Expired(Expired::new(true))))
                }
                Poll::Ready(frame) => frame.map(|frame| {
                    let broke = this.passed.as_ref().is_some_and(|passed| passed.broke());
                    frame.map_err(|error| match error.into() {
                        // The connection to the upstream says so of either end.
                        error if broke => Unproxied::Body(error),
                        error => Unproxied::Upstream(error),
                    })
                }),
                Poll::Pending => {
                    let Some(deadline) = *this.deadline else { return Poll::Pending };
                    let sleep = this.sleep.get_or_insert_with(|| Box::pin(sleep_until(deadline)));
                    ready!(sleep.as_mut().poll(cx));
                    Some(Err(Unproxied::Expired(Expired::new(true))))
                }
            },
            SourceProj::Unsent => None,
            SourceProj::Said { bytes } if bytes.is_empty() => None,
            SourceProj::Said { bytes } => Some(Ok(Frame::data(std::mem::take(bytes)))),
        };
        if let Some(passed) = this.passed {
            this.watch.received(passed.bytes());
        }
        let over = match &mut frame {
            Some(Ok(frame)) => {
                if let Some(trailers) = frame.trailers_mut() {
                    headers::trailers(trailers);
                }
                if let Some(data) = frame.data_ref() {
                    *this.sent += data.len() as u64;
                    this.watch.sent(*this.sent);
                }
                // gRPC tells the outcome in its trailers.
                if let Some(Err(kind)) = frame.trailers_ref().and_then(Kind::from_grpc_status) {
                    this.watch.failed_with(kind, None);
                }
                frame.is_trailers() || this.source.is_end_stream()
            }
            Some(Err(fault)) => {
                this.watch.failed_at(Phase::Send, fault);
                true
            }
            None => true,
        };
        if over {
            this.watch.finish();
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.source.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Upstream { body } => body.size_hint(),
            Source::Said { bytes } => SizeHint::with_exact(bytes.len() as u64),
            Source::Unsent => SizeHint::with_exact(0),
        }
    }
}

impl<B: fmt::Debug, O: Observer> fmt::Debug for ProxyBody<B, O> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ProxyBody").field("sent", &self.sent).finish_non_exhaustive()
    }
}

fn is_late(deadline: Option<Instant>) -> bool {
    deadline.is_some_and(|deadline| deadline <= Instant::now())
}

// ===== impl Source =====

impl<B: Body> Source<B> {
    fn is_end_stream(&self) -> bool {
        match self {
            Self::Upstream { body } => body.is_end_stream(),
            Self::Said { bytes } => bytes.is_empty(),
            Self::Unsent => true,
        }
    }
}
