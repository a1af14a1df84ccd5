use super::{Credential, Given, NoCredential, ResponseFuture};
use http::{HeaderValue, Request, header::AUTHORIZATION};
use kit_endpoint::{AsError, Refuse};
use std::{
    fmt,
    sync::Arc,
    task::{Context, Poll},
};
use tower_layer::Layer;
use tower_service::Service;

/// Says who sends each request, by a [`Credential`].
pub struct CredentialLayer<C, R = AsError> {
    credential: Arc<C>,
    refuse: R,
}

/// Writes `authorization` before the inner client sends a request; a
/// [`CredentialLayer`] makes it.
pub struct WithCredential<S, C, R = AsError> {
    inner: S,
    credential: Arc<C>,
    refuse: R,
}

// ===== impl CredentialLayer =====

impl<C: Credential> CredentialLayer<C> {
    /// Says it by `credential`. A request that has an `authorization` keeps it;
    /// where there is no credential the client's own error says so.
    #[must_use]
    pub fn new(credential: C) -> Self {
        Self { credential: Arc::new(credential), refuse: AsError }
    }
}

impl<C, R> CredentialLayer<C, R> {
    /// Answers with `refuse` where there is no credential.
    #[must_use]
    pub fn refuse<Q>(self, refuse: Q) -> CredentialLayer<C, Q> {
        CredentialLayer { credential: self.credential, refuse }
    }
}

impl<C, R: Clone> Clone for CredentialLayer<C, R> {
    fn clone(&self) -> Self {
        Self { credential: Arc::clone(&self.credential), refuse: self.refuse.clone() }
    }
}

impl<C, R> fmt::Debug for CredentialLayer<C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CredentialLayer").finish_non_exhaustive()
    }
}

impl<S, C, R: Clone> Layer<S> for CredentialLayer<C, R> {
    type Service = WithCredential<S, C, R>;

    fn layer(&self, inner: S) -> Self::Service {
        let Self { credential, refuse } = self.clone();
        WithCredential { inner, credential, refuse }
    }
}

// ===== impl WithCredential =====

impl<S, C, R> WithCredential<S, C, R> {
    /// Returns the inner client.
    pub const fn get_ref(&self) -> &S {
        &self.inner
    }
}

pub(super) fn write<B>(request: &mut Request<B>, mut value: HeaderValue) {
    value.set_sensitive(true);
    request.headers_mut().insert(AUTHORIZATION, value);
}

impl<S, C, R, B> Service<Request<B>> for WithCredential<S, C, R>
where
    S: Service<Request<B>> + Clone,
    C: Credential,
    R: Refuse<NoCredential, S::Response, S::Error>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = ResponseFuture<S, R, B>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(cx)
    }

    fn call(&mut self, mut request: Request<B>) -> Self::Future {
        if request.headers().contains_key(AUTHORIZATION) {
            return ResponseFuture::sent(self.inner.call(request));
        }
        match self.credential.give() {
            Given::Now(Ok(value)) => {
                write(&mut request, value);
                ResponseFuture::sent(self.inner.call(request))
            }
            Given::Now(Err(none)) => ResponseFuture::refused(none, self.refuse.clone()),
            Given::Later(value) => {
                // A clone, that asks for itself when it is there: what is ready now
                // may hold a place, which is given back.
                let service = self.inner.clone();
                self.inner = service.clone();
                ResponseFuture::waiting(value, service, request, self.refuse.clone())
            }
        }
    }
}

impl<S: Clone, C, R: Clone> Clone for WithCredential<S, C, R> {
    fn clone(&self) -> Self {
        Self {
            inner: self.inner.clone(),
            credential: Arc::clone(&self.credential),
            refuse: self.refuse.clone(),
        }
    }
}

impl<S: fmt::Debug, C, R> fmt::Debug for WithCredential<S, C, R> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("WithCredential").field("inner", &self.inner).finish_non_exhaustive()
    }
}
