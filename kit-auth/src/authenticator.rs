use crate::{Denied, Presented, Reason};
use http::{HeaderName, HeaderValue};
use std::{fmt, pin::Pin, sync::Arc};

/// A future of a [`Verdict`] that has to wait.
pub type Pending<I> = Pin<Box<dyn Future<Output = Result<I, Denied>> + Send>>;

/// Says who sends a request, or that it will not do.
///
/// One that is tried [before another](Self::or) says [`Verdict::Absent`] for
/// what it knows nothing of, at once; what it knows, and is not right, is not
/// shown to the other.
pub trait Authenticator: Send + Sync + 'static {
    /// Who it was: what the endpoint finds among the extensions.
    type Identity: Clone + Send + Sync + 'static;

    /// Looks at what a request says of who sends it.
    ///
    /// It is called for each request and must not block. What takes a while, a
    /// slow hash or another server, is for [`Verdict::Later`], which is dropped
    /// with the request.
    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<Self::Identity>;

    /// Adds the challenges (`WWW-Authenticate`, RFC 9110, section 11.6.1) that
    /// say how it is done, to one who was `denied`.
    fn challenge(&self, denied: &Denied, challenges: &mut Vec<HeaderValue>);

    /// Names the headers that it asks for beside `authorization`.
    fn headers(&self) -> Vec<HeaderName> {
        Vec::new()
    }

    /// Asks `other` about requests that have nothing for this one.
    fn or<B: Authenticator<Identity = Self::Identity>>(self, other: B) -> Or<Self, B>
    where
        Self: Sized,
    {
        Or { first: self, second: other }
    }

    /// Makes of who it was what the endpoint wants to know.
    fn map<F, I>(self, f: F) -> Map<Self, F>
    where
        Self: Sized,
        F: Fn(Self::Identity) -> I + Clone + Send + Sync + 'static,
        I: Clone + Send + Sync + 'static,
    {
        Map { inner: self, f }
    }
}

/// What an [`Authenticator`] says.
pub enum Verdict<I> {
    /// There is nothing that it knows.
    Absent,
    /// It knows.
    Known(Result<I, Denied>),
    /// It will.
    Later(Pending<I>),
}

/// Two authenticators in turn: [`Authenticator::or`].
#[derive(Debug, Clone)]
pub struct Or<A, B> {
    first: A,
    second: B,
}

/// An authenticator whose identity is another: [`Authenticator::map`].
#[derive(Clone)]
pub struct Map<A, F> {
    inner: A,
    f: F,
}

// ===== impl Verdict =====

impl<I> Verdict<I> {
    /// It is not right, for this reason.
    #[must_use]
    pub fn denied(reason: Reason) -> Self {
        Self::Known(Err(Denied::new(reason)))
    }

    /// Waits for `future`, which is boxed.
    #[must_use]
    pub fn later(future: impl Future<Output = Result<I, Denied>> + Send + 'static) -> Self {
        Self::Later(Box::pin(future))
    }
}

impl<I: 'static> Verdict<I> {
    /// Makes of who it is another, now or as soon as it is known.
    #[must_use]
    pub fn map<J>(self, f: impl FnOnce(I) -> J + Send + 'static) -> Verdict<J> {
        match self {
            Self::Absent => Verdict::Absent,
            Self::Known(known) => Verdict::Known(known.map(f)),
            Self::Later(later) => Verdict::later(async move { later.await.map(f) }),
        }
    }
}

impl<I: fmt::Debug> fmt::Debug for Verdict<I> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Absent => f.write_str("Absent"),
            Self::Known(known) => f.debug_tuple("Known").field(known).finish(),
            Self::Later(_) => f.debug_tuple("Later").finish_non_exhaustive(),
        }
    }
}

// ===== impl Or =====

impl<A, B> Authenticator for Or<A, B>
where
    A: Authenticator,
    B: Authenticator<Identity = A::Identity>,
{
    type Identity = A::Identity;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<Self::Identity> {
        match self.first.authenticate(presented) {
            Verdict::Absent => self.second.authenticate(presented),
            verdict => verdict,
        }
    }

    fn challenge(&self, denied: &Denied, challenges: &mut Vec<HeaderValue>) {
        self.first.challenge(denied, challenges);
        self.second.challenge(denied, challenges);
    }

    fn headers(&self) -> Vec<HeaderName> {
        let mut headers = self.first.headers();
        headers.extend(self.second.headers());
        headers
    }
}

// ===== impl Map =====

impl<A, F, I> Authenticator for Map<A, F>
where
    A: Authenticator,
    F: Fn(A::Identity) -> I + Clone + Send + Sync + 'static,
    I: Clone + Send + Sync + 'static,
{
    type Identity = I;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<I> {
        match self.inner.authenticate(presented) {
            Verdict::Absent => Verdict::Absent,
            Verdict::Known(known) => Verdict::Known(known.map(&self.f)),
            Verdict::Later(later) => {
                let f = self.f.clone();
                Verdict::later(async move { later.await.map(f) })
            }
        }
    }

    fn challenge(&self, denied: &Denied, challenges: &mut Vec<HeaderValue>) {
        self.inner.challenge(denied, challenges);
    }

    fn headers(&self) -> Vec<HeaderName> {
        self.inner.headers()
    }
}

impl<A: fmt::Debug, F> fmt::Debug for Map<A, F> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Map").field("inner", &self.inner).finish_non_exhaustive()
    }
}

// ===== impl Arc =====

impl<T: Authenticator + ?Sized> Authenticator for Arc<T> {
    type Identity = T::Identity;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<Self::Identity> {
        (**self).authenticate(presented)
    }

    fn challenge(&self, denied: &Denied, challenges: &mut Vec<HeaderValue>) {
        (**self).challenge(denied, challenges);
    }

    fn headers(&self) -> Vec<HeaderName> {
        (**self).headers()
    }
}

// ===== impl Option =====

/// One that a flag switches on: `None` knows nobody, has no challenge and asks for no
/// header.
///
/// It is for [`or`](Authenticator::or), as the other or by name (`Authenticator::or(one,
/// other)`), since an option has an `or` of its own. Alone and off, who is refused gets
/// no challenge, which a 401 must have (RFC 9110, section 15.5.2).
impl<A: Authenticator> Authenticator for Option<A> {
    type Identity = A::Identity;

    fn authenticate(&self, presented: &Presented<'_>) -> Verdict<Self::Identity> {
        self.as_ref().map_or(Verdict::Absent, |one| one.authenticate(presented))
    }

    fn challenge(&self, denied: &Denied, challenges: &mut Vec<HeaderValue>) {
        if let Some(one) = self {
            one.challenge(denied, challenges);
        }
    }

    fn headers(&self) -> Vec<HeaderName> {
        self.as_ref().map(A::headers).unwrap_or_default()
    }
}
