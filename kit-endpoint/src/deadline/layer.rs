use super::Deadline;
use crate::{AsError, Carries, UntilReply, UntilStreamEnd};
use std::time::Duration;
use tokio::time::Instant;
use tower_layer::Layer;

/// Bounds the time that each call of a service may take.
///
/// See the [module](super) for what it does.
#[derive(Debug, Clone)]
pub struct DeadlineLayer<P = Within, R = AsError, U = UntilReply> {
    expiry: P,
    floor: Duration,
    refuse: R,
    until: U,
}

/// Says until when a request is worth working on.
pub trait Expiry<Req>: Clone {
    /// Returns the deadline of `request`, which is called at `now`.
    ///
    /// One that came from elsewhere than the request is told to it, so that it
    /// travels on.
    fn expiry(&self, request: &mut Req, now: Instant) -> Option<Instant>;
}

/// A fixed time from the call on, whatever the request: for any service.
#[derive(Debug, Clone, Copy)]
pub struct Within(Duration);

/// The request's own deadline, or a default, whichever is sooner.
#[derive(Debug, Clone, Copy, Default)]
pub struct OfRequest {
    default: Option<Duration>,
}

// ===== impl DeadlineLayer =====

impl DeadlineLayer {
    /// Allows each call `limit`, for any request.
    #[must_use]
    pub const fn new(limit: Duration) -> Self {
        Self::from_expiry(Within(limit))
    }
}

impl DeadlineLayer<OfRequest> {
    /// Allows each call the time up to its request's deadline: for a request
    /// that [`Carries`] one. Without a deadline there is no limit, unless a
    /// [`default`](Self::default) is set.
    #[must_use]
    pub const fn of_request() -> Self {
        Self::from_expiry(OfRequest { default: None })
    }
}

impl<P> DeadlineLayer<P> {
    const fn from_expiry(expiry: P) -> Self {
        Self { expiry, floor: Duration::ZERO, refuse: AsError, until: UntilReply }
    }
}

impl<R, U> DeadlineLayer<OfRequest, R, U> {
    /// Allows no call more than `limit`, also where the request sets no
    /// deadline; the request is told, so that its own calls inherit it. Unset
    /// by default.
    #[must_use]
    pub const fn default(mut self, limit: Duration) -> Self {
        self.expiry.default = Some(limit);
        self
    }
}

impl<P, R, U> DeadlineLayer<P, R, U> {
    /// Refuses work that has less time than `floor` left: it is hopeless. Zero
    /// by default, which refuses only what has expired.
    #[must_use]
    pub const fn floor(mut self, floor: Duration) -> Self {
        self.floor = floor;
        self
    }

    /// Answers with `refuse` when the deadline has passed.
    #[must_use]
    pub fn refuse<Q>(self, refuse: Q) -> DeadlineLayer<P, Q, U> {
        let Self { expiry, floor, until, .. } = self;
        DeadlineLayer { expiry, floor, refuse, until }
    }

    /// Bounds also the stream that a call replies with: past the deadline its
    /// next item is the fact, and its last.
    #[must_use]
    pub fn streaming(self) -> DeadlineLayer<P, R, UntilStreamEnd> {
        let Self { expiry, floor, refuse, .. } = self;
        DeadlineLayer { expiry, floor, refuse, until: UntilStreamEnd }
    }
}

impl<S, P: Clone, R: Clone, U: Clone> Layer<S> for DeadlineLayer<P, R, U> {
    type Service = Deadline<S, P, R, U>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { expiry, floor, refuse, until } = self.clone();
        Deadline { inner, expiry, floor, refuse, until }
    }
}

// ===== impl Within =====

impl<Req> Expiry<Req> for Within {
    fn expiry(&self, _: &mut Req, now: Instant) -> Option<Instant> {
        // A limit past the end of time is no limit.
        now.checked_add(self.0)
    }
}

// ===== impl OfRequest =====

impl<Req: Carries> Expiry<Req> for OfRequest {
    fn expiry(&self, request: &mut Req, now: Instant) -> Option<Instant> {
        if let Some(default) = self.default.and_then(|limit| now.checked_add(limit)) {
            request.bring_forward(default);
        }
        request.deadline()
    }
}
