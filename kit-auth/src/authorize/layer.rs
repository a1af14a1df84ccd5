use super::{Authorizer, Forbidden, ResponseFuture};
use kit_endpoint::{AsError, Refuse};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Lets those requests through that an [`Authorizer`] allows.
pub struct AuthorizeLayer<P, R = AsError> {
    authorizer: Arc<P>,
    refuse: R,
}

/// Asks an [`Authorizer`] before the inner service sees a request; an
/// [`AuthorizeLayer`] makes it.
pub struct Authorize<S, P, R = AsError> {
    inner: S,
    authorizer: Arc<P>,
    refuse: R,
}

// ===== impl AuthorizeLayer =====

impl<P> AuthorizeLayer<P> {
    /// Allows what `authorizer` allows, and refuses with the service's own error.
    #[must_use]
    pub fn new(authorizer: P) -> Self {
        Self { authorizer: Arc::new(authorizer), refuse: AsError }
    }
}

impl<P, R> AuthorizeLayer<P, R> {
    /// Answers with `refuse` what is not allowed.
    #[must_use]
    pub fn refuse<Q>(self, refuse: Q) -> AuthorizeLayer<P, Q> {
        AuthorizeLayer { authorizer: self.authorizer, refuse }
    }
}

impl<P, R: Clone> Clone for AuthorizeLayer<P, R> {
    fn clone(&self) -> Self {
        Self { authorizer: Arc::clone(&self.authorizer), refuse: self.refuse.clone() }
    }
}

impl<P: fmt::Debug, R> fmt::Debug for AuthorizeLayer<P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthorizeLayer")
            .field("authorizer", &self.authorizer)
            .finish_non_exhaustive()
    }
}

impl<S, P, R: Clone> Layer<S> for AuthorizeLayer<P, R> {
    type Service = Authorize<S, P, R>;

    fn layer(&self, inner: S) -> Self::Service {
        Authorize { inner, authorizer: Arc::clone(&self.authorizer), refuse: self.refuse.clone() }
    }
}

// ===== impl Authorize =====

impl<S, P, R> Authorize<S, P, R> {
    /// Returns the inner service.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

impl<S, P, R, Req> Service<Req> for Authorize<S, P, R>
where
    S: Service<Req>,
    P: Authorizer<Req>,
    R: Refuse<Forbidden, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S::Future, R>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, request: Req) -> Self::Future {
        match self.authorizer.authorize(&request) {
            Ok(()) => ResponseFuture::sent(self.inner.call(request)),
            Err(forbidden) => ResponseFuture::refused(forbidden, self.refuse.clone()),
        }
    }
}

impl<S: Clone, P, R: Clone> Clone for Authorize<S, P, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            authorizer: Arc::clone(&self.authorizer),
            refuse: self.refuse.clone(),
        }
    }
}

impl<S: fmt::Debug, P: fmt::Debug, R> fmt::Debug for Authorize<S, P, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authorize")
            .field("inner", &self.inner)
            .field("authorizer", &self.authorizer)
            .finish_non_exhaustive()
    }
}
