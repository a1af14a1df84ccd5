use crate::{
    Authenticator, Denied, Presents, Reason, Verdict,
    future::ResponseFuture,
    stats::{Count, Stats},
};
use http::HeaderValue;
use kit_endpoint::{AsError, Carries, Inspect, Inspector, Refuse};
use std::{
    error, fmt,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Who may come in: one value, of which both the hook of a transport and the
/// layer of an endpoint are made. Clones share what they count.
pub struct Auth<A>(pub(crate) Arc<Shared<A>>);

pub(crate) struct Shared<A> {
    pub(crate) authenticator: A,
    /// What one is told who has no credentials.
    missing: Arc<[HeaderValue]>,
    pub(crate) is_hooked: AtomicBool,
    stats: Stats,
}

/// No transport reads the credentials that an [`Auth`] is to check: each request
/// would be an internal error.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct NoHook(());

/// A request that was let in without credentials, among its extensions: see
/// [`AuthLayer::optional`].
#[derive(Debug, Clone)]
pub struct Anonymous {
    challenges: Arc<[HeaderValue]>,
}

/// Lets those in whom an [`Auth`] knows.
pub struct AuthLayer<A, R = AsError> {
    auth: Auth<A>,
    refuse: R,
    is_optional: bool,
}

/// Asks who sends a request before the inner service sees it; an [`AuthLayer`]
/// makes it.
pub struct AuthService<S, A, R = AsError> {
    inner: S,
    auth: Auth<A>,
    refuse: R,
    is_optional: bool,
}

// ===== impl Auth =====

impl<A: Authenticator> Auth<A> {
    /// Lets those in whom `authenticator` knows.
    #[must_use]
    pub fn new(authenticator: A) -> Self {
        let mut challenges = Vec::new();
        authenticator.challenge(&Denied::new(Reason::Missing), &mut challenges);
        Self(Arc::new(Shared {
            missing: challenges.into(),
            is_hooked: AtomicBool::new(false),
            stats: Stats::default(),
            authenticator,
        }))
    }

    /// Makes the layer, which refuses with the service's own error.
    ///
    /// Over a [`Request`](kit_endpoint::Request) the transport needs the hook too.
    #[must_use]
    pub fn layer(&self) -> AuthLayer<A> {
        AuthLayer { auth: self.clone(), refuse: AsError, is_optional: false }
    }

    /// Fails if no hook was ever made of it: for the start of a program whose
    /// endpoints are called by transports.
    ///
    /// # Errors
    ///
    /// When none was.
    pub fn check(&self) -> Result<(), NoHook> {
        if self.0.is_hooked.load(Ordering::Relaxed) { Ok(()) } else { Err(NoHook(())) }
    }

    /// Returns what checks the credentials.
    #[must_use]
    pub fn authenticator(&self) -> &A {
        &self.0.authenticator
    }
}

impl<A: Authenticator> Shared<A> {
    fn verdict<Req: Presents>(&self, request: &Req) -> Verdict<A::Identity> {
        match request.presented() {
            Some(presented) => self.authenticator.authenticate(&presented),
            None => Verdict::denied(Reason::NoHook),
        }
    }

    /// Counts it, and says how it is done right.
    pub(crate) fn denied(&self, denied: Denied) -> Denied {
        self.stats.count(Count::Denied(denied.reason()));
        let challenges = match denied.reason() {
            Reason::Missing => return denied.challenged(self.missing.iter().cloned()),
            Reason::Unavailable | Reason::NoHook => return denied,
            _ => {
                let mut challenges = Vec::new();
                self.authenticator.challenge(&denied, &mut challenges);
                challenges
            }
        };
        denied.challenged(challenges)
    }

    pub(crate) fn known<Req: Carries>(&self, identity: A::Identity, request: &mut Req) {
        self.stats.count(Count::Known);
        request.extensions_mut().insert(identity);
    }
}

impl<A> Clone for Auth<A> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<A: fmt::Debug> fmt::Debug for Auth<A> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth").field("authenticator", &self.0.authenticator).finish_non_exhaustive()
    }
}

/// Says how many were let in, and how many were not, for which reason.
impl<A: Send + Sync> Inspect for Auth<A> {
    fn inspect(&self, inspector: &mut dyn Inspector) {
        self.0.stats.inspect(inspector);
    }
}

// ===== impl NoHook =====

impl fmt::Display for NoHook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        Reason::NoHook.fmt(f)
    }
}

impl error::Error for NoHook {}

// ===== impl Anonymous =====

impl Anonymous {
    /// Returns the challenges that say how not to be.
    pub(crate) fn challenges(&self) -> impl Iterator<Item = HeaderValue> + '_ {
        self.challenges.iter().cloned()
    }
}

// ===== impl AuthLayer =====

impl<A, R> AuthLayer<A, R> {
    /// Answers with `refuse` who is not let in.
    #[must_use]
    pub fn refuse<Q>(self, refuse: Q) -> AuthLayer<A, Q> {
        AuthLayer { auth: self.auth, refuse, is_optional: self.is_optional }
    }

    /// Lets those in too who have no credentials, as [`Anonymous`]: what they may
    /// do is for an [`AuthorizeLayer`](crate::AuthorizeLayer) to say. Credentials
    /// that are not right are refused all the same.
    #[must_use]
    pub const fn optional(mut self) -> Self {
        self.is_optional = true;
        self
    }
}

impl<A, R: Clone> Clone for AuthLayer<A, R> {
    fn clone(&self) -> Self {
        Self { auth: self.auth.clone(), refuse: self.refuse.clone(), is_optional: self.is_optional }
    }
}

impl<A: fmt::Debug, R> fmt::Debug for AuthLayer<A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthLayer")
            .field("auth", &self.auth)
            .field("is_optional", &self.is_optional)
            .finish_non_exhaustive()
    }
}

impl<S, A, R: Clone> Layer<S> for AuthLayer<A, R> {
    type Service = AuthService<S, A, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { auth, refuse, is_optional } = self.clone();
        AuthService { inner, auth, refuse, is_optional }
    }
}

// ===== impl AuthService =====

impl<S, A, R> AuthService<S, A, R> {
    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, A, R, Req> Service<Req> for AuthService<S, A, R>
where
    S: Service<Req> + Clone,
    A: Authenticator,
    R: Refuse<Denied, S::Response, S::Error>,
    Req: Presents,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, A, R, Req>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Req) -> Self::Future {
        let shared = &*self.auth.0;
        match shared.verdict(&request) {
            Verdict::Known(Ok(identity)) => {
                shared.known(identity, &mut request);
                ResponseFuture::sent(self.inner.call(request))
            }
            Verdict::Known(Err(denied)) => {
                ResponseFuture::refused(shared.denied(denied), self.refuse.clone())
            }
            Verdict::Absent if self.is_optional => {
                shared.stats.count(Count::Anonymous);
                let challenges = Arc::clone(&shared.missing);
                // Whoever was known before, to an outer one, is not who sends this.
                request.extensions_mut().remove::<A::Identity>();
                request.extensions_mut().insert(Anonymous { challenges });
                ResponseFuture::sent(self.inner.call(request))
            }
            Verdict::Absent => {
                let denied = shared.denied(Denied::new(Reason::Missing));
                ResponseFuture::refused(denied, self.refuse.clone())
            }
            Verdict::Later(verdict) => {
                // A clone, that asks for itself when it is known: what is ready now
                // may hold a permit, which is given back.
                let service = self.inner.clone();
                self.inner = service.clone();
                let (auth, refuse) = (self.auth.clone(), self.refuse.clone());
                ResponseFuture::waiting(verdict, service, request, auth, refuse)
            }
        }
    }
}

impl<S: Clone, A, R: Clone> Clone for AuthService<S, A, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            auth: self.auth.clone(),
            refuse: self.refuse.clone(),
            is_optional: self.is_optional,
        }
    }
}

impl<S: fmt::Debug, A: fmt::Debug, R> fmt::Debug for AuthService<S, A, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthService")
            .field("inner", &self.inner)
            .field("auth", &self.auth)
            .field("is_optional", &self.is_optional)
            .finish_non_exhaustive()
    }
}
